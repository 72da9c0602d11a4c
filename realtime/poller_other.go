//go:build !linux

package realtime

// newReadiness knows no way here to wait for many sockets at once: a viewer
// who stalls or says nothing costs a goroutine.
func newReadiness(what) (readiness, error) { return nil, nil }
