// Package client is a publisher and a viewer in Go.
//
// # Overview
//
// Publish speaks WHIP (RFC 9725) and sends what a Source gives, at its own
// pace. Watch speaks WHEP and counts what arrives: packets, frames, keyframes
// and the longest time a person would have looked at a still picture. Demo
// publishes the clip of package clip for ever. All three are shipped: the demo
// show and the load of `rialto bench` are made of them; crowds of viewers, who
// need no player, are in cmd/rialto/load.
//
// # Lifecycle
//
// Publish and Watch return once the server has accepted the offer. From then
// on the caller owns the Publisher or Viewer and ends it with Close, which
// deletes the resource on the server and waits for every goroutine. Done is
// closed when the session has ended for any reason, Err then says which.
// Demo blocks until its context ends.
//
// # Concurrency
//
//	Publisher: one goroutine paces the source, one per sender reads RTCP
//	Viewer:    one goroutine per incoming track
//	both:      one goroutine ends the session; all are waited for by Close
//
// A Source is called by the pacing goroutine alone. Hooks of a Viewer are
// called by the goroutine of their track and must not block.
//
// # Dependencies
//
// It imports pion/webrtc and package clip, and neither the root of media nor
// any of its servers: it knows of a node what any client knows, its URL.
package client
