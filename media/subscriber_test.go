package media

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

func dropped(t *testing.T, r *Relay, reason string) int {
	t.Helper()
	return counted(t, r.metrics.drops[reason])
}

func nack(n uint16, more uint16) []rtcp.Packet {
	return []rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: 2,
		Nacks: []rtcp.NackPair{{PacketID: n, LostPackets: rtcp.PacketBitmap(more)}}}}
}

// newShow is a relay with a camera on air and one viewer.
func newShow(t *testing.T, cfg Config) (*Relay, *camera, *Subscriber, *sink) {
	t.Helper()
	r := newRelay(t, cfg)
	run(t, r)
	c := newCamera(t, r, "acc_1", VP8)
	c.send(3, true)
	v, s, _ := join(t, r, "gst_1")
	synctest.Wait()
	return r, c, v, s
}

func bytesOf(t *testing.T, p rtp.Packet) []byte {
	t.Helper()
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRetransmissionsAreByteIdentical(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, v, s := newShow(t, Config{})
		shootFor(c, 200*time.Millisecond, true)
		next := newCamera(t, r, "acc_1", VP8) // a cut, so that offsets differ
		next.frame = 9000
		shootFor(next, 200*time.Millisecond, true)
		sent := s.all()
		for i, p := range sent {
			v.Feedback(nack(p.SequenceNumber, 0))
			time.Sleep(20 * time.Millisecond) // within the budget
			synctest.Wait()
			all := s.all()
			if len(all) != len(sent)+i+1 {
				t.Fatalf("packet %d: %d packets", i, len(all)-len(sent))
			}
			if !bytes.Equal(bytesOf(t, all[len(all)-1]), bytesOf(t, p)) {
				t.Fatalf("packet %d differs when sent again", i)
			}
		}
	})
}

func TestNacksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, v, s := newShow(t, Config{})
		shootFor(c, 200*time.Millisecond, true)
		sent := s.all()
		last := sent[len(sent)-1].SequenceNumber
		v.Feedback(nack(last+1, 0xffff))  // never sent
		v.Feedback(nack(last-9000, 0x0f)) // long forgotten
		synctest.Wait()
		if n := len(s.all()) - len(sent); n != 0 {
			t.Fatalf("%d packets for nothing", n)
		}
		if n := dropped(t, r, dropGone); n != 17+5 {
			t.Fatalf("%d counted as gone", n)
		}
		for range 20 {
			v.Feedback(nack(last-16, 0xffff))
		}
		synctest.Wait()
		if n := len(s.all()) - len(sent); n != nackBurst {
			t.Fatalf("%d packets sent again, burst is %d", n, nackBurst)
		}
		if n := dropped(t, r, dropBudget); n != 20*17-nackBurst {
			t.Fatalf("%d counted against the budget", n)
		}
		time.Sleep(time.Second)
		v.Feedback(nack(last-16, 0xffff))
		synctest.Wait()
		if n := len(s.all()) - len(sent); n != nackBurst+17 {
			t.Fatalf("%d after a rest", n)
		}
	})
}

func TestSlowViewerSkipsToAKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, _, s := newShow(t, Config{})
		_, other, _ := join(t, r, "gst_2")
		shootFor(c, 400*time.Millisecond, true)
		s.mu.Lock()
		s.room = 4 // in the middle of a frame
		s.mu.Unlock()
		shootFor(c, 3*time.Second, true)
		stuck := len(s.all())
		s.mu.Lock()
		s.room = -1
		s.mu.Unlock()
		shootFor(c, 3*time.Second, true)
		got := s.all()
		checkContinuous(t, got)
		if !beginsKeyframe(got[stuck]) {
			t.Fatal("it does not go on with a keyframe")
		}
		if a, b := got[len(got)-1], other.all()[len(other.all())-1]; !bytes.Equal(a.Payload, b.Payload) {
			t.Fatal("it has not come back to live")
		}
		skipped := len(other.all()) - len(got)
		if n := dropped(t, r, dropLag); n != skipped || n == 0 {
			t.Fatalf("%d counted, %d skipped", n, skipped)
		}
		checkContinuous(t, other.all())
	})
}

func TestLatePacketIsSentLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, _, s := newShow(t, Config{})
		frame := c.shoot(3, false)
		c.write(frame[0], frame[2])
		synctest.Wait()
		before := s.all()
		c.send(3, false)
		synctest.Wait()
		c.write(frame[1], frame[1]) // recovered, and once more
		synctest.Wait()
		got := s.all()
		late := got[len(got)-1]
		if len(got) != len(before)+4 {
			t.Fatalf("%d packets", len(got)-len(before))
		}
		if want := before[len(before)-1].SequenceNumber - 1; late.SequenceNumber != want {
			t.Fatalf("late packet has number %d, want %d", late.SequenceNumber, want)
		}
		slices.SortFunc(got, func(a, b rtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
		checkContinuous(t, got)
	})
}

func TestSenderReportsKeepLipSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, _, s := newShow(t, Config{})
		mic, err := c.pub.AddLayer(Opus)
		if err != nil {
			t.Fatal(err)
		}
		sound := &camera{t: t, layer: mic, asked: &asked{}, pub: c.pub, ts: 5000}
		// One moment of the publisher's clock: video time of the frame that was sent, audio time 5000.
		const ntp = 3_900_000_000 << 32
		c.layer.Report(&rtcp.SenderReport{NTPTime: ntp, RTPTime: c.ts - 1800})
		mic.Report(&rtcp.SenderReport{NTPTime: ntp, RTPTime: sound.ts})
		// The viewer is told the server's clock instead.
		start, videoTS, audioTS := ntpTime(time.Now()), c.ts, sound.ts
		for range 150 {
			c.send(3, false)
			sound.write(sound.raw([]byte{1}, false))
			sound.ts += 960
			time.Sleep(20 * time.Millisecond)
			synctest.Wait()
		}
		reports := map[uint32]*rtcp.SenderReport{}
		for _, sr := range s.reports {
			reports[sr.SSRC] = sr
		}
		a, v := reports[1], reports[2]
		if a == nil || v == nil {
			t.Fatalf("reports for %d tracks", len(reports))
		}
		if a.NTPTime != v.NTPTime {
			t.Fatal("the two reports are of different moments")
		}
		// What was taken at the same time is played at the same time: both tracks' shift against the publisher is consistent.
		passed := a.NTPTime - start
		since := time.Duration(passed>>32)*time.Second + time.Duration((passed&(1<<32-1)*uint64(time.Second)+1<<31)>>32)
		shift := func(ssrc uint32) (out rtp.Packet) {
			for _, p := range s.all() {
				if p.SSRC == ssrc {
					return p
				}
			}
			return out
		}
		firstAudio, firstVideo := shift(1), shift(2)
		if got, want := a.RTPTime-firstAudio.Timestamp, uint32(Opus.ticks(since)); got != want {
			t.Errorf("audio report is %d after its first packet, want %d (%d)", got, want, audioTS)
		}
		if got, want := v.RTPTime-firstVideo.Timestamp, uint32(VP8.ticks(since)); got != want {
			t.Errorf("video report is %d after its first packet, want %d (%d)", got, want, videoTS)
		}
		// Two for each track soon, and then one per second.
		if n := len(s.reports); n < 2*(firstReports+2) || n > 2*(firstReports+3) {
			t.Errorf("%d reports in 3 s", n)
		}
	})
}

// Until it has two reports of each track a player lets sound and picture drift apart.
func TestFirstReportsComeSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, _, _ := newJoiner(t, 800*time.Millisecond)
		mic, err := c.pub.AddLayer(Opus)
		if err != nil {
			t.Fatal(err)
		}
		sound := &camera{t: t, layer: mic}
		c.layer.Report(&rtcp.SenderReport{NTPTime: 1 << 32, RTPTime: c.ts})
		mic.Report(&rtcp.SenderReport{NTPTime: 1 << 32, RTPTime: 0})
		_, s, _ := join(t, r, "gst_2")
		count := func(d time.Duration) map[uint32]int {
			for range d / (20 * time.Millisecond) {
				c.send(3, false)
				sound.write(sound.raw([]byte{1}, false))
				sound.ts += 960
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			n := map[uint32]int{}
			for _, sr := range s.reports {
				n[sr.SSRC]++
			}
			return n
		}
		catchUp := 800 * time.Millisecond / (squeeze - 1)
		if n := count(catchUp - 20*time.Millisecond); n[2] != 0 {
			t.Fatal("a report of squeezed time")
		}
		if n := count(20*time.Millisecond + 2*firstReportEvery); n[1] < 2 || n[2] < 2 {
			t.Fatalf("after %v: %v", catchUp+2*firstReportEvery, n)
		}
		count(time.Second)
		before := count(0)
		if n := count(3 * reportEvery); n[1]-before[1] != 3 || n[2]-before[2] != 3 {
			t.Fatalf("later %d and %d in %v", n[1]-before[1], n[2]-before[2], 3*reportEvery)
		}
	})
}

func TestViewerThatCannotPlayTheNewCodecKeepsItsSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{})
		run(t, r)
		c := newCamera(t, r, "acc_1", VP8)
		c.send(1, true)
		v, err := r.Subscribe(show, watchGrant("gst_1"), []Codec{Opus, VP8}, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		s := &sink{room: -1}
		v.Start(s, Binding{Audio: binding.Audio, Video: Line{SSRC: 2, PayloadTypes: map[Codec]uint8{VP8: 96}}})
		next := newCamera(t, r, "acc_1", H264)
		shootFor(next, 100*time.Millisecond, true)
		mic, err := next.pub.AddLayer(Opus)
		if err != nil {
			t.Fatal(err)
		}
		sound := &camera{t: t, layer: mic}
		sound.write(sound.raw([]byte{1}, false))
		synctest.Wait()
		got := s.all()
		if last := got[len(got)-1]; last.PayloadType != 111 {
			t.Fatalf("last packet has type %d", last.PayloadType)
		}
		for _, p := range got {
			if p.PayloadType == 102 {
				t.Fatal("H264 sent to a viewer that cannot play it")
			}
		}
		if dropped(t, r, dropCodec) != 1 {
			t.Fatal("not counted")
		}
	})
}

func TestCutsForgetTheOldest(t *testing.T) {
	var table cuts
	for i := range uint64(maxCuts + 1) {
		table.push(cut{layer: &Layer{}, out: 100 * i, from: i, divisor: 1})
	}
	if c := table.find(99); c != nil {
		t.Fatalf("forgotten cut found: %+v", c)
	}
	for out, from := range map[uint64]uint64{100: 1, 199: 1, 200: 2, 5000: maxCuts} {
		if c := table.find(out); c == nil || c.from != from {
			t.Errorf("%d belongs to %+v", out, c)
		}
	}
}

func TestCutMapsTime(t *testing.T) {
	c := cut{from: 50, out: 1 << 16, inTS: 4_294_967_000, outTS: 10, divisor: 1}
	if got := c.timestamp(200); got != 10+496 {
		t.Errorf("over the wrap: %d", got)
	}
	if got := c.timestamp(4_294_966_900); got != 4_294_967_206 {
		t.Errorf("before its first packet: %d", got)
	}
	c.divisor = 5
	if got := c.timestamp(200); got != 10+99 {
		t.Errorf("squeezed: %d", got)
	}
	if got := c.sequence(53); got != 1<<16+3 {
		t.Errorf("sequence %d", got)
	}
}
