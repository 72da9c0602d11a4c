package media

import "time"

// Every bound of the packet's journey. Those an operator may want to move are in Config as well.
const (
	// videoSlots and audioSlots are ring sizes in packets (powers of two). 4,096 packets hold four seconds of
	// 9 Mbit/s video, 1,024 twenty seconds of 20 ms audio.
	videoSlots = 4096
	audioSlots = 1024
	// ringBytes bounds the payload one ring keeps, whatever its packets weigh.
	ringBytes = 8 << 20
	// maxGOP is the oldest keyframe a viewer is joined from; an older one is replaced by asking for a new one.
	maxGOP = 4 * time.Second
	// MaxPacket is the longest RTP packet accepted from a publisher, header included.
	MaxPacket = 1500
	// maxResync is how many packets in a row may lie outside the ring before the publisher's numbering is believed anew.
	maxResync = 3
	// lateSlots is how many recovered packets are remembered for viewers that have already passed them.
	lateSlots = 256

	// MaxRun is the longest run handed to a Sender at once.
	MaxRun = 60
	// flushAfter is how long packets wait for the end of their frame.
	flushAfter = 2 * time.Millisecond
	// soundWait is how long sound may wait for a frame of the picture to leave with: the length of one packet of it, and less
	// than any network moves it. A picture from which nothing has come for soundAlone is not waited for.
	soundWait  = 20 * time.Millisecond
	soundAlone = 100 * time.Millisecond
	// pumpEvery is how often a worker looks again at viewers that are being caught up or are busy.
	pumpEvery = 5 * time.Millisecond

	// livePart is how many packets of a kind those who follow live are sent in one turn. A large keyframe takes several:
	// sound, and other streams, do not wait for all of it to reach everybody.
	livePart = 20
	// catchUpBurst is how many packets of a track a viewer that does not follow live gets at once, each pumpEvery. That is
	// 38 Mbit/s of whole packets, a keyframe of 200 of them within 50 ms, and about what squeeze makes of the highest
	// bitrate; more at once overflows what lies between here and a player.
	catchUpBurst = 20
	// catchUpPackets and replyPackets bound, but for the last viewer's share, how many packets a worker sends to those who
	// do not follow live, and looks up for those who have lost some, before it looks again at those who follow live: a
	// few hundred microseconds.
	catchUpPackets = 256
	replyPackets   = 256

	// maxCuts is how many past cuts a viewer's track remembers; a retransmission from before is not answered.
	maxCuts = 16
	// squeeze is how much faster than real time a joining viewer is brought to the live edge.
	squeeze = 5
	// squeezeAbove is how far behind a keyframe must lie before catching up is worth a cut.
	squeezeAbove = 150 * time.Millisecond
	// maxLag is how far behind live a viewer may fall before it is dropped to the next keyframe.
	maxLag = 1500 * time.Millisecond

	// keyframeAge is the age at which a keyframe no longer serves joiners, while viewers exist.
	keyframeAge = 2 * time.Second
	// keyframeEvery is the least time between two requests for one layer.
	keyframeEvery = time.Second
	// pliQuiet is how long after a keyframe was sent to a viewer its PLI still speaks of the picture before.
	pliQuiet = 500 * time.Millisecond

	// firstPicture is how long after a join a PLI is about the first picture, and maxReplays how often that is sent
	// again from the ring.
	firstPicture = 2 * time.Second
	maxReplays   = 3
	// replayQuiet is how long after the first picture was sent a PLI may have been on its way before it arrived: a long
	// round trip. Browsers repeat it every 200 ms.
	replayQuiet = 200 * time.Millisecond

	// latenessFades is how long a worker's worst turn is remembered.
	latenessFades = time.Second

	// nackRate and nackBurst bound how many retransmissions a viewer gets per second and at once.
	nackRate  = 300
	nackBurst = 150
	// feedbackSlots bounds the feedback waiting for one worker, and feedbackPerViewer what of it may be one viewer's: each
	// may ask for 17 packets, and more than nackBurst are not sent anyway.
	feedbackSlots     = 8192
	feedbackPerViewer = 128

	// reportEvery is the time between sender reports to a viewer.
	reportEvery = time.Second
	// A player keeps sound and picture in step once it has two reports of each, so firstReports come sooner.
	firstReports     = 3
	firstReportEvery = 200 * time.Millisecond

	// maxLayers is how many layers one publisher may have of a kind.
	maxLayers = 1
	// bitrateStrikes is how many seconds in a row a publisher may exceed twice its bitrate.
	bitrateStrikes = 3

	// sweepEvery is how often deadlines (grace, grants) are looked at; revocation does not wait for it.
	sweepEvery = 100 * time.Millisecond
)

// Defaults of Config.
const (
	DefaultMaxPublishers       = 200
	DefaultMaxViewers          = 20_000
	DefaultMaxViewersPerStream = 10_000
	DefaultMaxBitrate          = 8_000_000
	DefaultGrace               = 5 * time.Second
)
