package media

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

const show = StreamID("shw_1")

func publishGrant(subject string) Grant { return Grant{Subject: subject, Rights: RightPublish} }
func watchGrant(subject string) Grant   { return Grant{Subject: subject, Rights: RightWatch} }

func newRelay(t testing.TB, cfg Config) *Relay {
	t.Helper()
	if cfg.Workers == 0 {
		cfg.Workers = 2
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs the relay until the test ends.
func run(t *testing.T, r *Relay) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// asked counts keyframe requests.
type asked struct {
	mu sync.Mutex
	at []time.Time
}

func (a *asked) RequestKeyframe(*Layer) {
	a.mu.Lock()
	a.at = append(a.at, time.Now())
	a.mu.Unlock()
}

func (a *asked) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.at)
}

// camera writes RTP of one codec into a layer.
type camera struct {
	t     testing.TB
	layer *Layer
	asked *asked
	pub   *Publisher
	ended chan error

	seq      uint16
	ts       uint32
	frame    uint16
	answered int // requests answered with a keyframe
}

func newCamera(t testing.TB, r *Relay, subject string, codec Codec) *camera {
	t.Helper()
	c := &camera{t: t, asked: &asked{}, ended: make(chan error, 4), seq: 65_500, ts: 4_294_900_000}
	pub, err := r.Publish(show, publishGrant(subject), PublishOptions{
		Feedback: c.asked, OnEnd: func(err error) { c.ended <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.pub = pub
	if c.layer, err = pub.AddLayer(codec); err != nil {
		t.Fatal(err)
	}
	return c
}

// payload is one packet's worth of a frame.
func payload(codec Codec, frame uint16, first, key bool) []byte {
	body := bytes.Repeat([]byte{byte(frame)}, 200)
	switch codec {
	case VP8:
		head := []byte{0x80, 0xc0, 0x80 | byte(frame>>8&0x7f), byte(frame), byte(frame), 1}
		if first {
			head[0] |= 0x10
			if key {
				head[5] = 0
			}
		}
		return append(head, body...)
	case H264:
		nalu := byte(0x41)
		if key && first {
			nalu = 0x65
		}
		return append([]byte{nalu}, body...)
	}
	return body
}

// raw makes a packet without sending it.
func (c *camera) raw(p []byte, marker bool) []byte {
	h := rtp.Header{Version: 2, Marker: marker, PayloadType: 120, SequenceNumber: c.seq, Timestamp: c.ts, SSRC: 7}
	c.seq++
	b, err := (&rtp.Packet{Header: h, Payload: p}).Marshal()
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// shoot makes one frame of n packets.
func (c *camera) shoot(n int, key bool) [][]byte {
	var out [][]byte
	for i := range n {
		out = append(out, c.raw(payload(c.layer.codec, c.frame, i == 0, key), i == n-1))
	}
	c.frame++
	c.ts += 1800 // 20 ms
	return out
}

func (c *camera) write(packets ...[]byte) {
	c.t.Helper()
	for _, p := range packets {
		if err := c.layer.Write(p); err != nil && len(c.ended) == 0 {
			c.t.Fatal(err)
		}
	}
}

func (c *camera) send(n int, key bool) {
	c.t.Helper()
	c.write(c.shoot(n, key)...)
}

// repair is a packet of a retransmission stream.
type repair struct {
	rtp.Packet
	original uint16
}

// sink records what a viewer is sent.
type sink struct {
	mu      sync.Mutex
	packets []rtp.Packet
	repairs []repair
	runs    []int
	reports []*rtcp.SenderReport
	room    int // packets it still takes; negative: all
}

func (s *sink) Send(_ int, run []Outgoing) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(run)
	if s.room >= 0 {
		n = min(n, s.room)
		s.room -= n
	}
	for _, p := range run[:n] {
		packet := rtp.Packet{Header: p.Header, Payload: bytes.Clone(p.Payload)}
		if p.Repair {
			s.repairs = append(s.repairs, repair{packet, p.Original})
			continue
		}
		s.packets = append(s.packets, packet)
	}
	s.runs = append(s.runs, n)
	return n
}

func (s *sink) SendReports(_ int, reports []rtcp.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range reports {
		if sr, ok := p.(*rtcp.SenderReport); ok {
			kept := *sr
			s.reports = append(s.reports, &kept)
		}
	}
}

func (s *sink) all() []rtp.Packet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]rtp.Packet(nil), s.packets...)
}

var everyCodec = []Codec{Opus, VP8, H264}

var binding = Binding{
	CNAME: "test",
	Audio: Line{SSRC: 1, PayloadTypes: map[Codec]uint8{Opus: 111}},
	Video: Line{SSRC: 2, PayloadTypes: map[Codec]uint8{VP8: 96, H264: 102}},
}

func join(t testing.TB, r *Relay, subject string) (*Subscriber, *sink, chan error) {
	t.Helper()
	ended := make(chan error, 4)
	s := &sink{room: -1}
	return joinTo(t, r, subject, s, ended), s, ended
}

func joinTo(t testing.TB, r *Relay, subject string, to Sender, ended chan error) *Subscriber {
	t.Helper()
	v, err := r.Subscribe(show, watchGrant(subject), everyCodec, func(err error) {
		if ended != nil {
			ended <- err
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Start(to, binding)
	return v
}

// joinWith joins a viewer whose video can be repaired on a stream of its own.
func joinWith(t testing.TB, r *Relay, types map[Codec]uint8) (*Subscriber, *sink) {
	t.Helper()
	s := &sink{room: -1}
	v, err := r.Subscribe(show, watchGrant("gst_rtx"), everyCodec, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	b := binding
	b.Video.RepairSSRC, b.Video.RepairTypes = 3, types
	v.Start(s, b)
	return v, s
}

// discard takes everything.
type discard struct{}

func (discard) Send(_ int, run []Outgoing) int { return len(run) }
func (discard) SendReports(int, []rtcp.Packet) {}

// checkContinuous fails when a viewer would notice a cut.
func checkContinuous(t *testing.T, packets []rtp.Packet) {
	t.Helper()
	for i := 1; i < len(packets); i++ {
		a, b := packets[i-1], packets[i]
		if b.SequenceNumber != a.SequenceNumber+1 {
			t.Fatalf("packet %d: sequence %d after %d", i, b.SequenceNumber, a.SequenceNumber)
		}
		if b.SSRC != a.SSRC {
			t.Fatalf("packet %d: SSRC changed", i)
		}
		if int32(b.Timestamp-a.Timestamp) < 0 {
			t.Fatalf("packet %d: time went back by %d", i, a.Timestamp-b.Timestamp)
		}
	}
}

// number is the frame a VP8 test payload belongs to.
func number(p rtp.Packet) int { return int(p.Payload[len(p.Payload)-1]) }

// beginsKeyframe knows VP8 as it is sent: one byte of descriptor, then the frame header.
func beginsKeyframe(p rtp.Packet) bool { return p.Payload[0] == 0x10 && p.Payload[1]&1 == 0 }
