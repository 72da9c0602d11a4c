// Package whip is media's door for HTTP: WHIP (RFC 9725) to publish, WHEP
// (draft-ietf-wish-whep-03) to watch.
//
// # Overview
//
// A request passes, in this order, the limit of its address, Config.Authorize,
// the media type, the size, and Config.Claim or Locate, which may send it to
// another node with a 307. What is left is handed to Config.Publish or Watch.
// Authorize judges again, so that no revocation is missed on the way (see
// stillGranted), and the session gets a resource of its own with a name of 128
// random bits. The table of resources is all the state there is.
//
//	POST    /whip/{stream}              201, answer, Location, ETag
//	OPTIONS /whip/{stream}              204, Accept-Post; needs no key
//	PATCH   /whip/r/{node}/{resource}   204 trickle, 200 ICE restart
//	DELETE  /whip/r/{node}/{resource}   200
//
// and the same under /whep/. Any other method is answered 405 with Allow.
// Errors are problem details (RFC 9457) whose code is stable; problem.go lists
// them. A name in the URL of a resource is a capability; where the session was
// opened with a Bearer token, PATCH and DELETE need that token too, or a newer
// one of the same person.
//
// # Lifecycle
//
// New makes a Handler, which serves at once. Run sweeps ended sessions out of
// the table and, when its context ends, refuses new ones and closes the rest.
// No goroutine belongs to a session.
//
// # Invariants
//
// A session is in the table from its 201 until its Done; when the client has
// gone before the 201 was written, the session is closed. Nothing waits for a
// session while mu is held. Every table and every body is bounded.
//
// # Dependencies
//
// It imports the root of media. Sessions come in as functions, so neither
// peer nor pion is known here; the packages of tests below it may import both.
package whip
