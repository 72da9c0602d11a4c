package load

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
)

// unlock gives the viewer its keys and takes what came before them.
func (v *Viewer) unlock(in, out *srtp.Context) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.in, v.out = in, out
	for _, b := range v.early {
		v.count(b)
	}
	v.early = nil
}

// takeMedia is called by the reader with RTP or RTCP.
func (v *Viewer) takeMedia(b []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.in != nil {
		v.count(b)
	} else if len(v.early) < maxEarly {
		v.early = append(v.early, slices.Clone(b))
	}
}

// count needs mu.
func (v *Viewer) count(b []byte) {
	if kind := b[1]; kind >= 192 && kind < 224 { // RFC 5761
		v.takeReport(b)
		return
	}
	if len(b) < 12 {
		return
	}
	f := v.answer.formats[b[1]&0x7f]
	if f.track == nil {
		if f.known {
			v.repairs++
		}
		return
	}
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	fresh := f.track.arrive(ssrc, seq, len(b))
	video := f.track == &v.video
	if !fresh || !(video && !v.picture.done) && (f.track.packets+int64(v.index))%sampled != 0 && !v.isWatchful() {
		return
	}
	v.look(b, f, video)
}

func (v *Viewer) isWatchful() bool {
	return v.watchful != nil && v.watchful(v.index, time.Since(v.opened))
}

// look decrypts a packet and shows it to whoever asked.
func (v *Viewer) look(b []byte, f format, video bool) {
	now := time.Now()
	if _, err := v.header.Unmarshal(b); err != nil {
		v.broken++
		return
	}
	plain, err := v.in.DecryptRTP(v.plain[:0], b, &v.header)
	if err != nil {
		v.broken++
		return
	}
	v.checked++
	p := Packet{Viewer: v.index, Since: now.Sub(v.opened), Video: video, Payload: plain[v.header.MarshalSize():], At: now, Early: !v.picture.done}
	if video && !v.picture.done {
		v.codec = f.codec
		if v.picture.add(f.codec, v.header.SequenceNumber, v.header.Timestamp, v.header.Marker, p.Payload) {
			v.firstPicture = now.Sub(v.opened)
			close(v.pictured)
		}
	}
	if v.onPacket != nil {
		v.onPacket(p)
	}
}

// takeReport notes the sender's reports, which a receiver's answer names.
func (v *Viewer) takeReport(b []byte) {
	plain, err := v.in.DecryptRTCP(v.plain[:0], b, nil)
	if err != nil {
		v.broken++
		return
	}
	packets, err := rtcp.Unmarshal(plain)
	if err != nil {
		v.broken++
		return
	}
	for _, p := range packets {
		report, ok := p.(*rtcp.SenderReport)
		for _, t := range []*track{&v.audio, &v.video} {
			if ok && t.started && t.ssrc == report.SSRC {
				t.lastReport, t.reportAt = uint32(report.NTPTime>>16), time.Now()
			}
		}
	}
}
