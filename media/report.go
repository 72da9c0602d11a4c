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

// report carries the publisher's report over into the viewer's time, extrapolated to now. It is nil while
// there is nothing true to say: no report yet, or timestamps squeezed by catching up.
func (t *track) report(now time.Duration) *rtcp.SenderReport {
	c := t.cuts.current()
	if c == nil || c.divisor != 1 || t.packets == 0 {
		return nil
	}
	sr := c.layer.report.Load()
	if sr == nil || now < sr.at {
		return nil
	}
	since := now - sr.at
	return &rtcp.SenderReport{
		SSRC:        t.ssrc,
		NTPTime:     sr.ntp + ntpSpan(since),
		RTPTime:     c.timestamp(sr.ts + uint32(c.layer.codec.ticks(since))),
		PacketCount: t.packets,
		OctetCount:  t.octets,
	}
}

// sendReports sends what is due for both tracks as one compound packet.
func (s *Subscriber) sendReports(now time.Duration) {
	if now < s.nextReport {
		return
	}
	var compound []rtcp.Packet
	whole := true
	for k := range s.tracks {
		whole = whole && s.tracks[k].phase != catching
		if sr := s.tracks[k].report(now); sr != nil {
			compound = append(compound, sr, &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
				Source: sr.SSRC,
				Items:  []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: s.cname}},
			}}})
		}
	}
	if len(compound) == 0 {
		return
	}
	s.nextReport = now + reportEvery
	if s.reports < firstReports {
		s.nextReport = now + firstReportEvery
		if whole {
			s.reports++
		}
	}
	s.sender.SendReports(s.worker.index, compound)
}
