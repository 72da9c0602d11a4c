package media

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
)

// senderReport ties a publisher's wall clock to its timestamps, as of an arrival time here.
type senderReport struct {
	ntp  uint64 // 32.32 seconds
	ts   uint32
	at   time.Duration
	came uint64 // at, by the server's clock
}

// ntpSpan turns a duration into 32.32 fixed point seconds; those of a negative one wrap.
func ntpSpan(d time.Duration) uint64 {
	if d < 0 {
		return -ntpSpan(-d)
	}
	sec := uint64(d / time.Second)
	frac := uint64(d%time.Second) << 32 / uint64(time.Second)
	return sec<<32 | frac
}

// before1970 is how many seconds of reports (RFC 3550 section 4: since 1900) were before Unix time began.
const before1970 = 2_208_988_800

// ntpTime is a moment as reports say it (RFC 3550 section 4): seconds since 1900, 32.32.
func ntpTime(t time.Time) uint64 {
	return uint64(t.Unix()+before1970)<<32 + ntpSpan(time.Duration(t.Nanosecond()))
}

const (
	// leadWindow is how long the shortest way of a report is remembered, twice at most: two clocks that drift apart by
	// 200 ppm are then told wrong by 12 ms.
	leadWindow = 30 * time.Second
	// leadJump is a change that no way makes: one of the two clocks was set.
	leadJump = 1 << 32
)

// lead is by how much the server's clock is ahead of a publisher's, in 32.32 seconds that wrap: the least by which a report
// came after its own time. That is too much by the shortest way it had.
type lead struct {
	now atomic.Uint64

	mu    sync.Mutex
	known bool
	least [2]uint64 // in the window that began, and in the one before
	began time.Duration
}

// hear takes a report's time, and when it came by the server's clock and by the relay's. Any goroutine may call it.
func (l *lead) hear(ntp, server uint64, now time.Duration) {
	ahead := server - ntp
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.known || int64(ahead-l.now.Load()) > leadJump:
		l.known, l.began = true, now
		l.least = [2]uint64{ahead, ahead}
	case now-l.began > leadWindow:
		l.began = now
		l.least = [2]uint64{ahead, l.least[0]}
	case int64(ahead-l.least[0]) < 0:
		l.least[0] = ahead
	}
	best := l.least[0]
	if int64(l.least[1]-best) < 0 {
		best = l.least[1]
	}
	l.now.Store(best)
}

// reports is a worker's memory for the reports of one viewer.
type reports struct {
	compound [2 * kinds]rtcp.Packet
	sr       [kinds]rtcp.SenderReport
	names    [kinds]rtcp.SourceDescription
	chunks   [kinds][1]rtcp.SourceDescriptionChunk
	items    [kinds][1]rtcp.SourceDescriptionItem
}

// add writes the report of a track and whose it is.
func (r *reports) add(n int, k int, sr rtcp.SenderReport, cname string) {
	r.sr[k] = sr
	r.items[k][0] = rtcp.SourceDescriptionItem{Type: rtcp.SDESCNAME, Text: cname}
	r.chunks[k][0] = rtcp.SourceDescriptionChunk{Source: sr.SSRC, Items: r.items[k][:]}
	r.names[k].Chunks = r.chunks[k][:]
	r.compound[n], r.compound[n+1] = &r.sr[k], &r.names[k]
}

// report carries the publisher's report over into the viewer's time and the server's clock, extrapolated to now: a page
// reads from it when on that clock the picture on its screen was taken, give or take the publisher's shortest way here.
// There is none while there is nothing true to say: no report yet, or timestamps squeezed by catching up.
func (t *track) report(now time.Duration) (out rtcp.SenderReport, ok bool) {
	c := t.cuts.current()
	if c == nil || c.divisor != 1 || t.packets == 0 {
		return out, false
	}
	sr := c.layer.report.Load()
	if sr == nil || now < sr.at {
		return out, false
	}
	since := now - sr.at
	return rtcp.SenderReport{
		SSRC:        t.ssrc,
		NTPTime:     sr.ntp + c.layer.pub.lead.now.Load() + ntpSpan(since),
		RTPTime:     c.timestamp(sr.ts + uint32(c.layer.codec.ticks(since))),
		PacketCount: t.packets,
		OctetCount:  t.octets,
	}, true
}

// sendReports sends what is due for both tracks as one compound packet.
func (v *Subscriber) sendReports(b *batch, now time.Duration) {
	if now < v.nextReport {
		return
	}
	n, whole := 0, true
	for k := range v.tracks {
		whole = whole && v.tracks[k].phase != catching
		if sr, ok := v.tracks[k].report(now); ok {
			b.reports.add(n, k, sr, v.cname)
			n += 2
		}
	}
	if n == 0 {
		return
	}
	v.nextReport = now + reportEvery
	if v.reports < firstReports {
		v.nextReport = now + firstReportEvery
		if whole {
			v.reports++
		}
	}
	b.unsent = true
	v.sender.SendReports(v.worker.index, b.reports.compound[:n])
}
