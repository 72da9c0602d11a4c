package lean

import (
	"github.com/pion/rtcp"

	"github.com/rialto-live/rialto/media"
)

const (
	// headerRoom is the longest header that is written: RTP's own, and the original sequence number of a repair.
	headerRoom = 12 + 2
	// reportRoom is enough for the reports of two tracks as one compound packet.
	reportRoom = 512
)

// binding says what the answer promised.
func (s *Session) binding() media.Binding {
	b := media.Binding{CNAME: CNAME}
	for _, section := range s.offer.Sections {
		line := media.Line{SSRC: s.ids.audio, PayloadTypes: map[media.Codec]uint8{}}
		if section.Kind == media.Video {
			line.SSRC, line.RepairSSRC, line.RepairTypes = s.ids.video, s.ids.repair, map[media.Codec]uint8{}
		}
		for _, f := range section.Formats {
			line.PayloadTypes[f.Codec] = f.Type
			if f.Repair != 0 {
				line.RepairTypes[f.Codec] = f.Repair
			}
		}
		if section.Kind == media.Video {
			b.Video = line
		} else {
			b.Audio = line
		}
	}
	return b
}

// Send seals a run into the worker's outlet, which sends it with what other viewers get in the same turn. It implements
// media.Sender.
func (s *Session) Send(worker int, run []media.Outgoing) int {
	to, out := *s.to.Load(), s.transport.outlets[worker]
	for i := range run {
		b, err := s.secrets.sealRTP(out.Room(headerRoom+len(run[i].Payload)+overhead), &run[i])
		if err != nil {
			continue // the key is used up, after 2^48 packets
		}
		if !to.tcp {
			out.Add(to.addr, len(b))
		} else if !s.transport.streams.write(b, to) {
			return i // and the rest when there is room again
		}
	}
	return len(run)
}

// SendReports sends a compound packet. It implements media.Sender.
func (s *Session) SendReports(worker int, reports []rtcp.Packet) {
	to, out := *s.to.Load(), s.transport.outlets[worker]
	b, err := s.secrets.sealReports(out.Room(reportRoom), reports)
	if err != nil {
		return
	}
	if to.tcp {
		s.transport.streams.write(b, to) // repeated each second: a lost one does not matter
	} else {
		out.Add(to.addr, len(b))
	}
}
