package media

import (
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// Outgoing is one packet of a run, ready but for encryption. Header and Payload are valid only during the call of Send.
type Outgoing struct {
	Header  rtp.Header
	Payload []byte
	// Repair says that this is a packet of a retransmission stream (RFC 4588): Original, two bytes in network order,
	// goes before the payload.
	Repair   bool
	Original uint16 // the sequence number it was first sent under
}

// Sender is the way to one viewer; a transport implements it. Both methods are called by one worker goroutine only,
// which says its number, 0 to Relay.Workers, so that a transport may gather what one worker sends to many viewers: see
// Relay.OnFlush. They must not block, and must neither keep nor change what they are given: the same run goes to others.
type Sender interface {
	// Send takes a run: packets of one frame for one viewer, at most MaxRun. It returns how many it took;
	// fewer than all means the way is full, and the rest is offered again until the viewer lags too far.
	Send(worker int, run []Outgoing) int
	// SendReports takes sender reports as one compound packet.
	SendReports(worker int, reports []rtcp.Packet)
}

// Line is what one kind of media needs to reach a viewer.
type Line struct {
	SSRC uint32
	// PayloadTypes holds the negotiated number of each codec the viewer can play. Empty: the viewer did not ask for this kind.
	PayloadTypes map[Codec]uint8
	// RepairSSRC and RepairTypes, by the codec that is repaired, are those of the retransmission stream (RFC 4588). Without
	// them a lost packet is sent again as it was.
	RepairSSRC  uint32
	RepairTypes map[Codec]uint8
}

// Binding is what negotiation with a viewer came to.
type Binding struct {
	CNAME        string // one for both lines, so that they are played in step
	Audio, Video Line
}
