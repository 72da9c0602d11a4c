package mediatest

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media/client"
)

func TestSourceFollowsItsScript(t *testing.T) {
	s := NewSource(Script{FPS: 10, GOP: 3, Frames: 8})
	var keys []int
	var r Recorder
	video, audio := time.Duration(0), time.Duration(0)
	for n := 0; ; {
		sample, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if !sample.Video {
			if sample.At != audio {
				t.Fatalf("sound at %s, not %s", sample.At, audio)
			}
			audio += sample.Duration
			continue
		}
		if sample.At != video {
			t.Fatalf("frame at %s, not %s", sample.At, video)
		}
		video += sample.Duration
		if sample.Keyframe {
			keys = append(keys, n)
		}
		r.Frame(client.Frame{Video: true, Data: sample.Data})
		if n++; n == 5 {
			s.RequestKeyframe()
		}
	}
	if len(keys) != 3 || keys[0] != 0 || keys[1] != 3 || keys[2] != 5 {
		t.Errorf("keyframes at %v", keys)
	}
	seen, err := r.Frames()
	if err != nil || len(seen) != 8 || seen[7].Number != 7 {
		t.Errorf("%v %v", seen, err)
	}
}

func TestRecorderSeesDamage(t *testing.T) {
	good := NewSource(Script{}).picture(true)
	for name, data := range map[string][]byte{
		"no number": good[:12],
		"wrong end": append(append([]byte(nil), good...), 'x', filler),
		"empty":     {},
	} {
		var r Recorder
		r.Frame(client.Frame{Video: true, Data: data})
		if _, err := r.Frames(); err == nil {
			t.Errorf("%s: not seen", name)
		}
	}
}

// pair is a bad line and a socket on the machine's own network.
func pair(t *testing.T, seed uint64, p Profile) (*Network, net.PacketConn, net.PacketConn) {
	t.Helper()
	n, err := NewNetwork(seed, p)
	if err != nil {
		t.Fatal(err)
	}
	bad, err := n.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	good, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bad.Close(); err != nil {
			t.Error(err)
		}
		_ = good.Close()
	})
	return n, bad, good
}

// arrivals reads one byte from each packet until the last one or a silence.
func arrivals(t *testing.T, c net.PacketConn, last byte) (got []byte) {
	t.Helper()
	buffer := make([]byte, 16)
	for {
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ReadFrom(buffer); err != nil {
			t.Fatalf("after %d packets: %v", len(got), err)
		}
		if buffer[0] == last {
			return got
		}
		got = append(got, buffer[0])
	}
}

func TestLossFollowsFromTheSeed(t *testing.T) {
	run := func() string {
		n, bad, good := pair(t, 42, Profile{Loss: 0.3})
		for i := range byte(100) {
			if _, err := bad.WriteTo([]byte{i}, good.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		n.Set(Profile{}, Profile{})
		_, _ = bad.WriteTo([]byte{255}, good.LocalAddr())
		got := string(arrivals(t, good, 255))
		if c := n.Counts(); c.Lost != int64(100-len(got)) || c.Lost < 15 || c.Lost > 45 {
			t.Errorf("%+v with %d arrived", c, len(got))
		}
		return got
	}
	if first, second := run(), run(); first != second {
		t.Error("one seed, two fates")
	}
}

func TestChosenPacketsAreLost(t *testing.T) {
	n, bad, good := pair(t, 1, Profile{})
	n.Lose(func(in bool, packet []byte) bool { return !in && packet[0]%2 == 1 })
	for i := range byte(6) {
		if _, err := bad.WriteTo([]byte{i}, good.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = bad.WriteTo([]byte{254}, good.LocalAddr())
	if got := string(arrivals(t, good, 254)); got != "\x00\x02\x04" || n.Counts().Lost != 3 {
		t.Errorf("% x arrived, %+v", got, n.Counts())
	}
	for packet, want := range map[string]bool{
		"\x80\x60": true, "\x90\xe0": true, "\x80\xec": true, // VP8, VP8 with a marker, H264
		"\x80\x6f": false, "\x81\xce": false, "\x16\x60": false, // sound, a request for a picture, DTLS
	} {
		if got := IsVideo([]byte(packet + strings.Repeat("\x00", 12))); got != want {
			t.Errorf("% x: %t", packet, got)
		}
	}
	if IsVideo([]byte{0x80, 0x60}) {
		t.Error("two bytes are no RTP")
	}
}

func TestReorderAndDelayInbound(t *testing.T) {
	n, bad, good := pair(t, 3, Profile{Delay: 20 * time.Millisecond, Reorder: 0.2})
	began := time.Now()
	for i := range byte(50) {
		if _, err := good.WriteTo([]byte{i}, bad.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[byte]bool{}
	inOrder := true
	buffer := make([]byte, 16)
	for before := -1; len(seen) < 50; {
		_ = bad.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, _, err := bad.ReadFrom(buffer); err != nil {
			t.Fatalf("after %d packets: %v", len(seen), err)
		}
		inOrder = inOrder && int(buffer[0]) > before
		before = int(buffer[0])
		seen[buffer[0]] = true
	}
	if c := n.Counts(); inOrder || c.Reordered == 0 || c.Lost != 0 {
		t.Errorf("in order %t, %+v", inOrder, c)
	}
	if took := time.Since(began); took < 20*time.Millisecond {
		t.Errorf("the delay took %s", took)
	}
}

func TestCutAndDeadline(t *testing.T) {
	n, bad, good := pair(t, 1, Profile{})
	n.Cut()
	_, _ = good.WriteTo([]byte{1}, bad.LocalAddr())
	_ = bad.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, _, err := bad.ReadFrom(make([]byte, 16)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a cut line gave %v", err)
	}
	if err := bad.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bad.ReadFrom(make([]byte, 16)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed socket gave %v", err)
	}
}

func TestPulse(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var p Pulse
	for _, ms := range []int{0, 5, 10, 30, 35, 340, 345} { // the machine stands still from 40 to 340
		p.beatAt(at(ms))
	}
	for window, want := range map[[2]int]int{{0, 345}: 300, {0, 40}: 0, {100, 200}: 100, {300, 345}: 40, {341, 345}: 0} {
		if got := p.Stood(at(window[0]), at(window[1])); got != time.Duration(want)*time.Millisecond {
			t.Errorf("%v: %s, not %d ms", window, got, want)
		}
	}
	if got := p.LongestFreeze([]Seen{{At: at(0)}, {At: at(100)}, {At: at(345)}}); got != 40*time.Millisecond {
		t.Errorf("freeze %s", got)
	}
}
