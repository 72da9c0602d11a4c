// Package mediatest holds what media's tests are made of: a scripted source, a
// recorder of what a viewer saw, and a network that loses, delays and reorders.
//
// # Overview
//
// Source is a client.Source whose frames carry a number and nothing else, so
// that a test knows which of them arrived without decoding a picture.
// Recorder keeps those numbers. Network stands between a client and the
// machine's UDP; give it to client.Network.Net. It works on real sockets, so
// the server knows nothing of it, and its fates come from a seed. NAT stands
// between clients and a server and changes the clients' addresses in the middle.
// Pulse tells a promise that was broken from a machine that stood still.
//
// # Lifecycle
//
// A Network starts two goroutines for each socket; closing the socket, which
// the end of a session does, ends them and waits for them. A NAT has one
// goroutine and one for each client; Close ends them and waits.
//
// # Dependencies
//
// It imports media/client and pion's transport. Tests alone import it.
package mediatest
