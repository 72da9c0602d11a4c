package lean

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/rialto-live/rialto/media"
)

// witness is a viewer that remembers every nonce with the text that was sealed under it, and reads what it is sent.
type witness struct {
	t     *testing.T
	r     *rand.Rand
	s     *secrets
	in    *srtp.Context
	seen  map[[gcmNonce]byte][]byte
	again int // texts sealed more than once
	stale int // resends refused
	full  bool
	mu    sync.Mutex
	seqs  []uint16 // of the picture, newest last
}

func (w *witness) Send(_ int, run []media.Outgoing) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	take := len(run)
	if w.full {
		take = w.r.IntN(take + 1)
	}
	for i := range run[:take] {
		p := &run[i]
		sealed, err := w.s.sealRTP(make([]byte, 0, 1500), p)
		if errors.Is(err, errBehind) || errors.Is(err, errBefore) {
			w.stale++
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		before, known := w.seen[w.s.nonce]
		if known && !bytes.Equal(before, sealed) {
			w.t.Errorf("two texts under number %d of stream %d", p.Header.SequenceNumber, p.Header.SSRC)
		}
		if known {
			w.again++
		}
		w.seen[w.s.nonce] = sealed
		if _, err := w.in.DecryptRTP(nil, sealed, nil); err != nil {
			w.t.Errorf("the viewer cannot read number %d of stream %d: %v", p.Header.SequenceNumber, p.Header.SSRC, err)
		}
		if p.Header.SSRC == 2 {
			w.seqs = append(w.seqs, p.Header.SequenceNumber)
		}
	}
	return take
}

func (w *witness) SendReports(int, []rtcp.Packet) {}

// complain asks for packets of the last few seconds again.
func (w *witness) complain(v *media.Subscriber) {
	w.mu.Lock()
	var lost []rtcp.NackPair
	for range min(len(w.seqs), 3) {
		back := min(len(w.seqs), 1+w.r.IntN(1+w.r.IntN(6000)))
		lost = append(lost, rtcp.NackPair{PacketID: w.seqs[len(w.seqs)-back] - 3, LostPackets: rtcp.PacketBitmap(w.r.Uint32())})
	}
	w.full = w.r.IntN(40) == 0 || w.full && w.r.IntN(60) > 0
	pli := w.r.IntN(100) == 0
	w.mu.Unlock()
	packets := []rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: 2, Nacks: lost}}
	if pli {
		packets = append(packets, &rtcp.PictureLossIndication{MediaSSRC: 2})
	}
	v.Feedback(packets)
}

// TestNoTwoTextsHaveOneNonce has a publisher lose, repeat, delay and contradict itself, begin its count anew and be
// replaced, and viewers that ask for everything twice: what the relay has us seal is never two texts under one number.
func TestNoTwoTextsHaveOneNonce(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) { contradict(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func contradict(t *testing.T, r *rand.Rand) {
	relay, stop := runRelay(t)
	defer stop()
	layer := publish(t, relay)
	type viewer struct {
		w *witness
		v *media.Subscriber
	}
	var viewers []viewer
	seq, held := uint16(r.Uint32()), [][]byte(nil)
	for frame := range 3000 {
		if frame%500 == 250 {
			w, v := witnessTo(t, relay, r.Uint64(), len(viewers)%2 == 1)
			viewers = append(viewers, viewer{w, v})
		}
		switch r.IntN(400) {
		case 0:
			seq += uint16(r.Uint32()) // a new count
		case 1:
			layer = publish(t, relay) // another device takes over
			held = nil
		}
		for i := range 3 + r.IntN(5) {
			b := scribble(t, r, seq, frame, i == 0 && frame%50 == 0)
			seq++
			switch r.IntN(20) {
			case 0: // lost
			case 1:
				held = append(held, b)
			case 2:
				_ = layer.Write(b)
				_ = layer.Write(scribble(t, r, seq-1, frame, false)) // another text
			default:
				_ = layer.Write(b)
			}
		}
		for len(held) > 0 && r.IntN(4) == 0 {
			_ = layer.Write(held[0])
			held = held[1:]
		}
		time.Sleep(20 * time.Millisecond)
		for _, o := range viewers {
			o.w.complain(o.v)
		}
	}
	synctest.Wait()
	again := 0
	for _, o := range viewers {
		again += o.w.again
	}
	if again == 0 {
		t.Error("nothing was sent again: the test has seen nothing")
	}
}

// scribble is a packet of random bytes. The last of a frame is not marked; time shows where it ends.
func scribble(t *testing.T, r *rand.Rand, seq uint16, frame int, key bool) []byte {
	t.Helper()
	payload := make([]byte, 20+r.IntN(100))
	for i := range payload {
		payload[i] = byte(r.Uint32())
	}
	payload[0], payload[1] = 0x10, 1
	if key {
		payload[1] = 0
	}
	b, err := (&rtp.Packet{Payload: payload, Header: rtp.Header{Version: 2, SSRC: 7, SequenceNumber: seq,
		Timestamp: uint32(frame) * 1800, Marker: r.IntN(4) == 0}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func witnessTo(t *testing.T, relay *media.Relay, seed uint64, repair bool) (*witness, *media.Subscriber) {
	t.Helper()
	s, in, _ := newKeys(t, srtp.ProtectionProfileAeadAes128Gcm)
	w := &witness{t: t, r: rand.New(rand.NewPCG(seed, 8)), s: s, in: in, seen: map[[gcmNonce]byte][]byte{}}
	v, err := relay.Subscribe("shw_1", media.Grant{Subject: "gst", Rights: media.RightWatch}, []media.Codec{media.VP8}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	line := media.Line{SSRC: 2, PayloadTypes: map[media.Codec]uint8{media.VP8: 96}}
	if repair {
		line.RepairSSRC, line.RepairTypes = 3, map[media.Codec]uint8{media.VP8: 97}
	}
	v.Start(w, media.Binding{CNAME: "a", Video: line})
	return w, v
}
