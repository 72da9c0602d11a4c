package client

import (
	"bytes"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

// stream makes the packets of VP8 frames; each frame has three packets.
type stream struct {
	sequence  uint16
	timestamp uint32
	payloader codecs.VP8Payloader
}

func (s *stream) frame(key bool) []*rtp.Packet {
	data := bytes.Repeat([]byte{0xA5}, 2500)
	data[0] = 1
	if key {
		data[0] = 0
	}
	var packets []*rtp.Packet
	for _, payload := range s.payloader.Payload(1000, data) {
		packets = append(packets, &rtp.Packet{Header: rtp.Header{SequenceNumber: s.sequence, Timestamp: s.timestamp}, Payload: payload})
		s.sequence++
	}
	packets[len(packets)-1].Marker = true
	s.timestamp += 4500
	return packets
}

func push(a *assembler, at time.Time, packets ...*rtp.Packet) (frames []Frame) {
	for _, p := range packets {
		frames = append(frames, a.push(VP8, p, at)...)
	}
	return frames
}

func TestAssemblerOrdersPackets(t *testing.T) {
	s := stream{sequence: 65534} // the numbers wrap within the first frame
	a, now := newAssembler(true), time.Now()
	p := s.frame(true)
	p = append(p, s.frame(false)...)
	frames := push(a, now, p[0], p[2], p[1], p[1], p[5], p[4], p[3], p[0])
	if len(frames) != 2 || !frames[0].Keyframe || frames[1].Keyframe || len(frames[0].Data) != 2500 {
		t.Fatalf("%d frames", len(frames))
	}
	if a.stats.Duplicates != 2 || a.stats.Lost != 0 || a.stats.Packets != 8 {
		t.Errorf("%+v", a.stats)
	}
}

func TestAssemblerWaitsForALostPacket(t *testing.T) {
	s := stream{}
	a, now := newAssembler(true), time.Now()
	push(a, now, s.frame(true)...)
	lost := s.frame(false)
	next := s.frame(false)
	if frames := push(a, now.Add(50*time.Millisecond), append(lost[1:], next...)...); frames != nil {
		t.Fatal("a frame with a hole was shown")
	}
	if frames := push(a, now.Add(300*time.Millisecond), lost[0]); len(frames) != 2 {
		t.Fatalf("%d frames after the repair", len(frames))
	}
	if got := a.snapshot(now.Add(300 * time.Millisecond)).LongestGap; got != 300*time.Millisecond {
		t.Errorf("gap %s", got)
	}
	if got := a.snapshot(now.Add(time.Second)).LongestGap; got != 700*time.Millisecond {
		t.Errorf("the gap that is running: %s", got)
	}
}

func TestAssemblerGivesUpUntilAKeyframe(t *testing.T) {
	s := stream{}
	a, now := newAssembler(true), time.Now()
	push(a, now, s.frame(true)...)
	s.frame(false) // never arrives
	push(a, now, s.frame(false)...)
	if a.waitsForKeyframe() {
		t.Fatal("it gave up at once")
	}
	now = now.Add(holdTime + time.Millisecond)
	push(a, now, s.frame(false)...)
	if a.waitsForKeyframe() {
		t.Fatal("it gave up although the machine stood still, not the line")
	}
	s.timestamp += 90000
	if frames := push(a, now, s.frame(false)...); frames != nil || !a.waitsForKeyframe() || a.stats.Lost != 3 || a.stats.Broken != 3 {
		t.Fatalf("frames %d, %+v", len(frames), a.stats)
	}
	if frames := push(a, now, s.frame(true)...); len(frames) != 1 || a.waitsForKeyframe() {
		t.Fatalf("a keyframe repairs: %+v", a.stats)
	}
}

func TestAssemblerHoldsNoMoreThanItMay(t *testing.T) {
	a, now := newAssembler(false), time.Now()
	packet := func(n int) *rtp.Packet {
		return &rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(n)}, Payload: []byte{1}}
	}
	a.push(Opus, packet(0), now)
	for n := 2; n < 2+maxHeld; n++ {
		a.push(Opus, packet(n), now)
	}
	if a.stats.Frames != 1 || len(a.held) != maxHeld {
		t.Fatalf("at the limit %d are held, %d frames", len(a.held), a.stats.Frames)
	}
	a.push(Opus, packet(2+maxHeld), now)
	if len(a.held) != 0 || a.stats.Lost != 1 || a.stats.Frames != int64(maxHeld)+2 {
		t.Errorf("one past it %d are held, %+v", len(a.held), a.stats)
	}
}

func TestAssemblerJoinsInTheMiddle(t *testing.T) {
	s := stream{}
	a, now := newAssembler(true), time.Now()
	if frames := push(a, now, s.frame(true)[1:]...); frames != nil {
		t.Error("half a keyframe was shown")
	}
	if frames := push(a, now, s.frame(false)...); frames != nil || !a.waitsForKeyframe() {
		t.Error("a frame without its reference was shown")
	}
}

func TestPaddingIsNoFrame(t *testing.T) {
	s := stream{}
	a, now := newAssembler(true), time.Now()
	push(a, now, s.frame(true)...)
	push(a, now, &rtp.Packet{Header: rtp.Header{SequenceNumber: s.sequence, Timestamp: s.timestamp}})
	s.sequence++
	if frames := push(a, now, s.frame(false)...); len(frames) != 1 || a.stats.Broken != 0 {
		t.Errorf("%d frames, %+v", len(frames), a.stats)
	}
}

func TestDepacketizeH264(t *testing.T) {
	sps, idr := []byte{0x67, 1, 2}, []byte{0x65, 3, 4, 5}
	stap := []byte{24, 0, 3, 0x67, 1, 2, 0, 4, 0x65, 3, 4, 5}
	for name, c := range map[string]struct {
		payload     []byte
		starts, key bool
		data        []byte
	}{
		"one unit":      {[]byte{0x41, 9}, true, false, []byte{0, 0, 0, 1, 0x41, 9}},
		"keyframe":      {idr, true, true, append([]byte{0, 0, 0, 1}, idr...)},
		"aggregate":     {stap, true, true, append(append(append([]byte{0, 0, 0, 1}, sps...), 0, 0, 0, 1), idr...)},
		"first part":    {[]byte{0x7C, 0x85, 3}, true, true, []byte{0, 0, 0, 1, 0x65, 3}},
		"later part":    {[]byte{0x7C, 0x05, 4}, false, false, []byte{4}},
		"cut aggregate": {stap[:10], false, false, nil},
		"cut length":    {stap[:7], false, false, nil},
		"cut part":      {[]byte{0x7C, 0x85}, false, false, nil},
		"reserved":      {[]byte{0x1F, 1}, false, false, nil},
	} {
		starts, key, data := depacketize("video/h264", c.payload)
		if starts != c.starts || key != c.key || !bytes.Equal(data, c.data) {
			t.Errorf("%s: %t %t %x", name, starts, key, data)
		}
	}
}

func FuzzAssembler(f *testing.F) {
	f.Add([]byte{24, 0, 3, 0x67, 1, 2}, uint16(3), true)
	f.Add([]byte{0x90, 0x80, 0x81, 0, 0}, uint16(9), false)
	f.Fuzz(func(t *testing.T, payload []byte, sequence uint16, marker bool) {
		for _, mime := range []string{VP8, H264, "video/AV1"} {
			a, now := newAssembler(true), time.Now()
			for i, n := range []uint16{0, sequence, 1, sequence + 1} {
				a.push(mime, &rtp.Packet{Header: rtp.Header{SequenceNumber: n, Timestamp: uint32(i), Marker: marker}, Payload: payload}, now.Add(time.Duration(i)*time.Second))
			}
			if len(a.held) > 4 {
				t.Errorf("%d packets are held", len(a.held))
			}
		}
	})
}
