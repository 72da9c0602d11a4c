package egress

import "time"

const (
	// maxSockets is the most sockets that share one port: far more than workers on any machine.
	maxSockets = 256

	// socketBuffer is asked for in both directions, in bytes; the kernel may give less (net.core.rmem_max, wmem_max).
	socketBuffer = 8 << 20

	// batch is how many messages one system call takes. BenchmarkOutlet finds 16 nearly as good, and nothing better in 64.
	batch = 32

	// arenaSize is the memory for packets of one Outlet, in bytes: a batch of frames of 6 packets.
	arenaSize = 256 << 10

	// maxSegments is the most packets of one message. Kernels allow 64 (UDP_MAX_SEGMENTS), some later ones 128.
	maxSegments = 60
	// maxMessage is the most payload of one message in bytes: what a length of 16 bits leaves after the headers of IPv6 and UDP.
	maxMessage = 1<<16 - 1 - 40 - 8

	// maxWait is how long a Flush waits in all until the kernel takes more. A saturated link of 1 Gbit/s empties half of
	// the send buffer in that time.
	maxWait = 50 * time.Millisecond

	// maxRefusals in a row, of messages that then went packet by packet, are taken to mean that the kernel cannot cut on this
	// socket, rather than that a single path is too narrow for it. Then nothing is tried for restTime.
	maxRefusals = 16
	restTime    = time.Minute
)
