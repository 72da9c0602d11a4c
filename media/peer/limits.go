package peer

import "time"

const (
	// MaxSDP is the longest offer or fragment that is parsed, in bytes.
	MaxSDP = 64 << 10
	// maxLines is how many lines either may have: a browser's offer of two tracks has 150.
	maxLines = 2048
	// maxCandidates is how many remote candidates one session may name, over all its fragments.
	maxCandidates = 64
	// minUFrag, minPwd and maxCredential are the lengths of ICE credentials (RFC 8839 section 5.4), maxMID is the longest
	// name of a section that the lean transport takes. What is outside is left to Pion to judge.
	minUFrag, minPwd, maxCredential = 4, 22, 256
	maxMID                          = 32
	// maxRestarts is how many ICE restarts one session may ask for.
	maxRestarts = 64

	// gatherTimeout bounds an answer. Candidates come from one socket that is already open, so this is not waited for.
	gatherTimeout = 5 * time.Second
	// closers is how many ended connections are closed at the same time.
	closers = 4

	iceDisconnected = 10 * time.Second
	iceFailed       = 5 * time.Second
	iceKeepalive    = 2 * time.Second
	dtlsFlight      = 100 * time.Millisecond
	// dtlsTimeout is how long somebody who answers our checks may take to shake hands. Pion would wait for ever.
	dtlsTimeout = 20 * time.Second

	// replayWindow is how far behind the newest packet of a stream one may come and not be taken for a replay. Repairs of
	// lost packets come late: Pion's 64 are 80 ms of 8 Mbit/s, less than a round trip. Browsers have 1,024. RTCP keeps
	// Pion's window, since none of it is sent twice.
	replayWindow = 1024

	// The certificate is made anew each time the program starts, and browsers refuse one that has run out.
	certificateLasts = 365 * 24 * time.Hour
	certificateSlack = 24 * time.Hour // for clients whose clock is behind

	// viewerBuffer bounds what a viewer may send us although it was asked for nothing, per SSRC in bytes.
	viewerBuffer = 64 << 10
)

const (
	// maxNacks is how often one lost packet is asked of a publisher, nackInterval the time between. Pion does not know
	// the round trip, so a shorter interval would have far publishers send everything several times.
	maxNacks     = 12
	nackInterval = 40 * time.Millisecond
)
