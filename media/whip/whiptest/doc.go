// Package whiptest runs a whole node of media for tests: relay, peer and whip
// on loopback ports that the machine chooses.
//
// # Lifecycle
//
// Start registers its own end with the test; nothing outlives it.
//
// # Dependencies
//
// It imports media, media/peer, media/whip and media/client. Tests alone import it.
package whiptest
