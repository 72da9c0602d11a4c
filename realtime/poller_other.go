//go:build !linux

package realtime

// newReadiness knows no way here to wait for many sockets at once: a viewer
// who stalls costs a goroutine.
func newReadiness() (readiness, error) { return nil, nil }
