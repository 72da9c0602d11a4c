package bench

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load"
)

// VoidAbove is the floor in us per packet above which a machine is too slow or too busy for a run to mean anything.
const VoidAbove = 2.5

// Percentiles of a time, in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

func percentiles(sorted []time.Duration) Percentiles {
	at := func(p int) float64 { return round(float64(load.Percentile(sorted, p)) / float64(time.Millisecond)) }
	return Percentiles{at(50), at(95), at(99)}
}

// Result is what `rialto bench media --json` prints: one object. Times are those of the server's core.
type Result struct {
	Viewers int     `json:"viewers"`
	Playing int     `json:"playing"` // had their first picture; fewer than viewers is a machine that does not hold them
	Seconds float64 `json:"seconds"` // of the window that was measured
	Void    bool    `json:"void"`    // the floor is above VoidAbove, or there is none
	GSO     bool    `json:"gso"`     // the kernel cuts frames into packets

	CPUPerPacket   float64 `json:"cpu_us_per_packet"` // per forwarded video packet, RTCP and all else included
	FloorPerPacket float64 `json:"floor_us_per_packet"`
	// Plain Pion and Rialto at the same number of viewers, in turn.
	BaselineViewers int     `json:"baseline_viewers"`
	StaticPerPacket float64 `json:"static_rtp_us_per_packet"`
	BesidePerPacket float64 `json:"beside_static_rtp_us_per_packet"`

	AudioPerPacket      float64 `json:"audio_us_per_packet"`
	KBPerViewer         float64 `json:"kb_per_viewer"`
	StaticKBPerViewer   float64 `json:"static_rtp_kb_per_viewer"`
	CPUPerJoin          float64 `json:"cpu_ms_per_join"`
	StaticCPUPerJoin    float64 `json:"static_rtp_cpu_ms_per_join"`
	GoroutinesPerViewer float64 `json:"goroutines_per_viewer"`
	CoreBusy            float64 `json:"core_busy"` // of the server's core, 0 to 1

	FirstFrame Percentiles `json:"first_frame_ms"`
	Forward    Percentiles `json:"forward_ms"`

	VideoPackets   int64 `json:"video_packets"` // in the window
	AudioPackets   int64 `json:"audio_packets"`
	PacketsLost    int64 `json:"packets_lost"`
	PacketsChecked int64 `json:"packets_checked"` // decrypted and compared, in the whole run
	PacketsWrong   int64 `json:"packets_wrong"`   // not to be decrypted, or with another content
	PacketsAgain   int64 `json:"packets_sent_again"`
}

// costs of one run, per unit.
type costs struct{ video, audio, join, kb float64 }

// costs takes the windows apart. Video has all of the window without sound, RTCP and timers included; sound is what comes
// on top of that when it is on.
func (m measured) costs() costs {
	c := costs{kb: float64(m.memory) / 1024 / float64(max(m.stats.Joined, 1))}
	if m.picture.video > 0 {
		c.video = micros(m.picture.cpu) / float64(m.picture.video)
	}
	if m.full.audio > 0 {
		c.audio = max(micros(m.full.cpu)-c.video*float64(m.full.video), 0) / float64(m.full.audio)
	}
	sent := c.video*float64(m.joining.video) + c.audio*float64(m.joining.audio)
	c.join = max(micros(m.joining.cpu)-sent, 0) / 1000 / float64(max(m.stats.Joined, 1))
	return c
}

// result joins the floor, the run itself, and the runs beside the baseline.
func result(f floorResult, m measured, static, beside []measured) Result {
	own := m.costs()
	r := Result{
		Viewers: m.viewers, Playing: m.stats.Playing, Seconds: round(m.full.lasts.Seconds()), GSO: f.GSO,
		Void: !f.GSO || f.USPerPacket > VoidAbove, CPUPerPacket: round(own.video), FloorPerPacket: round(f.USPerPacket),
		AudioPerPacket: round(own.audio), KBPerViewer: round(own.kb), CPUPerJoin: round(own.join),
		GoroutinesPerViewer: round(float64(m.goroutines) / float64(max(m.stats.Joined, 1))),
		CoreBusy:            round(m.full.cpu.Seconds() / m.full.lasts.Seconds()),
		FirstFrame:          percentiles(m.stats.FirstPictures), Forward: percentiles(m.forward),
		VideoPackets: m.full.video, AudioPackets: m.full.audio, PacketsLost: m.full.lost,
		PacketsChecked: m.stats.Checked, PacketsWrong: m.wrong + m.stats.Broken, PacketsAgain: m.stats.Repeated,
	}
	for _, s := range static {
		c := s.costs()
		r.BaselineViewers = s.viewers
		r.StaticPerPacket += c.video / float64(len(static))
		r.StaticKBPerViewer += c.kb / float64(len(static))
		r.StaticCPUPerJoin += c.join / float64(len(static))
	}
	for _, s := range beside {
		r.BesidePerPacket += s.costs().video / float64(len(beside))
	}
	for _, v := range []*float64{&r.StaticPerPacket, &r.StaticKBPerViewer, &r.StaticCPUPerJoin, &r.BesidePerPacket} {
		*v = round(*v)
	}
	return r
}

// round keeps three decimals.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }

// print writes the result for people.
func (r Result) print(out io.Writer) {
	fmt.Fprintf(out, "%d viewers (%d play), %.0f s, 160 video packets/s of %d bytes and 50 of sound; the server's core is %.0f %% busy\n\n",
		r.Viewers, r.Playing, r.Seconds, packetBytes, 100*r.CoreBusy)
	fmt.Fprintf(out, "  floor           %6.2f us a packet   AES-128-GCM, frames as one message, 32 a system call\n", r.FloorPerPacket)
	fmt.Fprintf(out, "  video           %6.2f us a packet   %.2f x the floor\n", r.CPUPerPacket, ratio(r.CPUPerPacket, r.FloorPerPacket))
	fmt.Fprintf(out, "  sound           %6.2f us a packet\n", r.AudioPerPacket)
	fmt.Fprintf(out, "  plain Pion      %6.2f us a packet   at %d viewers; Rialto beside it %.2f, %.2f x\n",
		r.StaticPerPacket, r.BaselineViewers, r.BesidePerPacket, ratio(r.BesidePerPacket, r.StaticPerPacket))
	fmt.Fprintf(out, "  memory          %6.0f KB a viewer   plain Pion %.0f\n", r.KBPerViewer, r.StaticKBPerViewer)
	fmt.Fprintf(out, "  join            %6.2f ms            plain Pion %.2f\n", r.CPUPerJoin, r.StaticCPUPerJoin)
	fmt.Fprintf(out, "  goroutines      %6.1f a viewer\n", r.GoroutinesPerViewer)
	fmt.Fprintf(out, "  first picture   %6.0f ms            p95 %.0f, p99 %.0f\n", r.FirstFrame.P50, r.FirstFrame.P95, r.FirstFrame.P99)
	fmt.Fprintf(out, "  forward         %6.2f ms            p95 %.2f, p99 %.2f\n", r.Forward.P50, r.Forward.P95, r.Forward.P99)
	fmt.Fprintf(out, "  packets         %d video, %d sound; %d lost, %d sent again; %d of %d looked at are wrong\n",
		r.VideoPackets, r.AudioPackets, r.PacketsLost, r.PacketsAgain, r.PacketsWrong, r.PacketsChecked)
	switch {
	case !r.GSO:
		fmt.Fprintf(out, "\nvoid: this kernel does not cut frames into packets (UDP GSO), so there is no floor to compare with\n")
	case r.Void:
		fmt.Fprintf(out, "\nvoid: the floor is above %.1f us, so the machine is too slow or too busy to say anything\n", VoidAbove)
	}
	if r.Playing < r.Viewers {
		fmt.Fprintf(out, "\n%d viewers have no picture: one core does not hold this many\n", r.Viewers-r.Playing)
	}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
