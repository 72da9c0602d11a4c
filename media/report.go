package media

import (
	"time"

	"github.com/pion/rtcp"
)

// senderReport ties a publisher's wall clock to its timestamps, as of an arrival time here.
type senderReport struct {
	ntp uint64 // 32.32 seconds
	ts  uint32
	at  time.Duration
}

// ntpSpan turns a duration into 32.32 fixed point seconds.
func ntpSpan(d time.Duration) uint64 {
	sec := uint64(d / time.Second)
	frac := uint64(d%time.Second) << 32 / uint64(time.Second)
	return sec<<32 | frac
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

// report carries the publisher's report over into the viewer's time, extrapolated to now. There is none while
// there is nothing true to say: no report yet, or timestamps squeezed by catching up.
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
		NTPTime:     sr.ntp + ntpSpan(since),
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
