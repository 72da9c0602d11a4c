package load

import (
	"time"

	"github.com/pion/rtcp"
)

const (
	// tick divides the viewers' second, so that their reports do not come all at once.
	tick = 100 * time.Millisecond
	// ticks are a round: each viewer reports once in it.
	ticks = 10
	// askEvery is how often a viewer without a picture asks for one, in ticks: as often as browsers do.
	askEvery = 2
	// consentEvery is how often a viewer tells that it is there, in rounds.
	consentEvery = 2
	// askers is of how many viewers one asks for packets again, nackBack for which.
	askers   = 20
	nackBack = 8
)

// attend does at tick n what a viewer has to do then. It is called by the crowd's reporter alone.
func (v *Viewer) attend(n int) {
	var packets []rtcp.Packet
	due := n%ticks == v.index%ticks
	v.mu.Lock()
	if v.out == nil {
		v.mu.Unlock()
		return
	}
	if due {
		packets = v.reports(time.Now())
	}
	if !v.picture.done && n%askEvery == 0 && v.video.started {
		packets = append(packets, &rtcp.PictureLossIndication{SenderSSRC: v.ssrc(), MediaSSRC: v.video.ssrc})
	}
	v.mu.Unlock()
	if due && n/ticks%consentEvery == 0 {
		v.check(*v.path.Load())
	}
	if len(packets) > 0 {
		v.sendReports(packets)
	}
}

// ssrc names the viewer in its reports.
func (v *Viewer) ssrc() uint32 { return uint32(v.index) + 1 }

// reports needs mu.
func (v *Viewer) reports(now time.Time) []rtcp.Packet {
	receiver := &rtcp.ReceiverReport{SSRC: v.ssrc()}
	for _, t := range []*track{&v.audio, &v.video} {
		if !t.started {
			continue
		}
		block := rtcp.ReceptionReport{SSRC: t.ssrc, TotalLost: uint32(max(t.lost()-t.lostBefore, 0)) & 0xffffff,
			LastSequenceNumber: uint32(t.high - 1<<16)}
		if !t.reportAt.IsZero() {
			block.LastSenderReport = t.lastReport
			block.Delay = uint32(now.Sub(t.reportAt) * 65536 / time.Second)
		}
		receiver.Reports = append(receiver.Reports, block)
	}
	packets := []rtcp.Packet{receiver, rtcp.NewCNAMESourceDescription(v.ssrc(), "viewer")}
	if v.index%askers == 0 && v.video.unique > nackBack {
		packets = append(packets, &rtcp.TransportLayerNack{SenderSSRC: v.ssrc(), MediaSSRC: v.video.ssrc,
			Nacks: []rtcp.NackPair{{PacketID: uint16(v.video.high - nackBack), LostPackets: 1}}})
	}
	return packets
}

func (v *Viewer) sendReports(packets []rtcp.Packet) {
	plain, err := rtcp.Marshal(packets)
	if err != nil {
		return // ours are well-formed
	}
	if sealed, err := v.out.EncryptRTCP(nil, plain, nil); err == nil {
		v.wire.write(sealed, *v.path.Load()) // the next one follows in a second
	}
}
