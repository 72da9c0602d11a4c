// Package bench is `rialto bench`: what relaying costs on this machine (media), how a running show takes a crowd that
// joins (joins), what a server keeps of those that have left (churn), and what telling a room costs (realtime).
//
// # Overview
//
// A server runs on one core and the load on another, so that the one's processor time is the cost of relaying and
// nothing else. The server is a child: this program again (`rialto bench child`), pinned, with media.Relay, media/peer
// and media/whip wired as the product does. The load is the parent: one publisher of media/client with 160 video
// packets of 1,200 bytes and 50 of sound a second, and a crowd of package load. Both speak HTTP, DTLS and SRTP over
// real sockets.
//
// Two things stand beside it, measured in the same run on the same core. The floor (floor.go) only encrypts the same
// packets and sends them, a frame a message and 32 a system call: no relay can be cheaper. Plain Pion (static.go) is a
// TrackLocalStaticRTP with the default interceptors, in turn with ours.
//
// # What is measured
//
// Processor time is the kernel's clock of the child's process, which is what /proc/<pid>/stat shows in hundredths. It has
// everything: RTCP, retransmissions, timers, the collection of garbage, and the delivery to the viewers' sockets, which on
// loopback the sender pays for; what can be left out of that is (package load/sockets), for all three alike. It is read
// over two windows once all viewers play: video and sound, and video alone. The second is what video costs, with all that
// is not for one packet; sound is what the first has above it. What joins cost is what the time of joining has above the
// packets that were sent in it. Memory is resident (smaps_rollup).
//
// Each packet carries the time it was made at, on the one clock of this machine, so forward_ms includes the publisher's
// and the viewer's own work. One of a hundred packets is decrypted and its content compared.
//
// Joins has viewers watch, and then a crowd come evenly. Who is told 503 comes back when it was told to, as the pages do.
// What those who watched before have lost is told beside what full sockets of this machine did not take, for that is not
// of the server's making. How far behind a joiner is comes from the times in the packets: the newest that it has 3 s
// after its request, against the newest that the first of the early viewers has at that moment. What a join costs is what
// the time of joining has above the packets sent in it, at what a packet costs when all have settled; a packet costs more
// to fewer viewers, so this is a little too much.
//
// Churn has viewers join and leave, in five ways (load.Leaving), and counts what the server has before and after: once it
// had time to forget, and has collected its garbage.
//
// Realtime has other children: the hub (hub.go), which is realtime and realtime/ws over a bus in memory, and its floor
// (hubfloor.go), sockets of the same upgrade with one bare write(2) for each event and client. The load is a crowd of package
// load/frames. Events say when they were made and which they are, so that lateness, gaps and repetitions are seen; the
// pace is the one at which the floor uses 60 % of its core. Memory is resident (smaps_rollup) before and after, beside what
// Go's runtime says of heap and stacks; what the kernel keeps for sockets is not the server's. Writes are the system calls
// that the kernel counted (/proc/<pid>/io). For the flood the hub has the chat too, and lossless events are timed while
// nobody speaks and while everybody makes as many calls as a page may, in turn. To compare one thread of Go with two,
// server and load share all cores.
//
// # Concurrency and lifecycle
//
// Media, Joins, Churn and Realtime own all: a run ends its publisher, its crowd and its child before the next begins. Children die
// with this process (embedded.StartChild), however it ends. Each pins the whole process it is called in, for good.
//
// # Invariants
//
// Load goes to this machine only, and ends by itself. Speeds are told, never asserted by tests.
//
// # Dependencies
//
// media and realtime with their packages, cmd/rialto/load, cmd/rialto/embedded, pion/webrtc (for the baseline), golang.org/x/sys.
package bench
