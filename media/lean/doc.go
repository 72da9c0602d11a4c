// Package lean carries viewers over UDP and TCP with the least a viewer needs: an ICE-lite responder, a DTLS server,
// SRTP, and SDP answered from a template, on Pion's stun, dtls, srtp and sdp.
//
// # Dependencies
//
// media (its root), media/egress, and Pion's parts; never pion/webrtc.
package lean
