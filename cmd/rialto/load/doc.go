// Package load is a crowd of viewers in one process, and the commands that open one: `rialto load watch` for a show's
// picture, `rialto load chat` for its room, `rialto load buy` for what it sells.
//
// # Overview
//
// A Viewer is the least that a WHEP server takes for a browser: one UDP socket or TCP connection, STUN, DTLS and SRTP of
// Pion's parts, and no player. It counts every packet, decrypts the first picture and then one packet of a hundred,
// reports reception as a browser does, and some ask for packets again. So that one core can watch what another sends, one
// goroutine reads for all viewers (package sockets), and those of a settled viewer sleep: Pion's DTLS.
//
// offer.go writes the offer that Chromium makes and reads the answer, post.go brings it to the server, wire.go is UDP or
// TCP, ice.go finds a path over it, secure.go makes the keys, receive.go takes what comes, crowd.go speaks for all
// viewers, pass.go has some that only come and go. watch.go is the command.
//
// The room's viewers are those of realtime/client. chat.go lets them in, and makes guests of those who are to speak;
// chatlines.go has them speak at a pace and counts who hears it, how late, and what was refused.
//
// Buyers come to the shop as browsers do, each with a cookie and, on this machine, an address of its own: buy.go keeps their
// places filled, buyer.go is what one does (think, tap, ask again with the same id, pay or walk away), buystats.go tells of it.
//
// # Concurrency and lifecycle
//
// Watch, Chat and Buy open their viewers and end them before they return. Otherwise who calls Crowd.Join owns the Crowd and ends it
// with Close, which waits for every goroutine.
//
//	goroutine       count        ends
//	poller          a crowd      with Crowd.Close, of which it is the last
//	reader          a viewer     over TCP, with its wire
//	goodbye         a viewer     when its DTLS connection ends
//	reporter        a crowd      with Crowd.Close
//	watch           a viewer     with Chat, in a room
//	say             a line       when it is answered, or after ten seconds
//	place           a buyer      with Buy, at a counter
//
// # Invariants
//
// Everything that is held for a viewer is bounded. Nothing is sent to an address beyond this machine unless whoever
// calls said that it is meant. Nobody pays with anything but play money.
//
// # Dependencies
//
// sockets, and Pion's dtls, ice parts (stun), srtp, sdp, rtp and rtcp for the picture; realtime/client and the names in
// realtime/chat for the room. Of a server it knows what any client knows, its URL.
package load
