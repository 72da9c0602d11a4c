package media

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
)

func (s *sink) setRoom(n int) {
	s.mu.Lock()
	s.room = n
	s.mu.Unlock()
}

func TestOverrunViewerGoesOnAtAKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, _, s := newShow(t, Config{})
		shootFor(c, 100*time.Millisecond, true)
		c.seq += 30_000 // the publisher begins a new count: all that was kept is behind the ring
		for range maxResync {
			c.send(1, true)
		}
		shootFor(c, 100*time.Millisecond, true)
		got := s.all()
		checkContinuous(t, got)
		if want := int(c.frame - 1); number(got[len(got)-1]) != want {
			t.Fatalf("last frame %d, want %d", number(got[len(got)-1]), want)
		}
		if dropped(t, r, dropOverrun) == 0 || dropped(t, r, dropTooOld) != maxResync-1 {
			t.Fatalf("%d overrun, %d too old", dropped(t, r, dropOverrun), dropped(t, r, dropTooOld))
		}
	})
}

func TestSlowListenerSkipsToTheNewestSound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{})
		run(t, r)
		c := newCamera(t, r, "acc_1", Opus)
		speak := func(n int) {
			for range n {
				c.write(c.raw([]byte{byte(c.frame)}, false))
				c.frame++
				c.ts += 960
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
			}
		}
		speak(1)
		_, s, _ := join(t, r, "gst_1")
		synctest.Wait()
		speak(10)
		s.setRoom(0)
		speak(100)
		stuck := len(s.all())
		s.setRoom(-1)
		speak(1)
		got := s.all()
		checkContinuous(t, got)
		if got[len(got)-1].Payload[0] != byte(c.frame-1) {
			t.Fatal("not at the newest sound")
		}
		// Within maxLag nothing is lost; what is older is dropped once and counted.
		missing := int(c.frame) - len(got)
		if n := dropped(t, r, dropLag); n != missing || n == 0 {
			t.Fatalf("%d counted, %d missing", n, missing)
		}
		if skip := time.Duration(got[stuck].Timestamp-got[stuck-1].Timestamp) * time.Second / 48_000; skip < time.Second {
			t.Fatalf("time moved by %v over the gap", skip)
		}
	})
}

func TestLostPictureIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, v, _ := newShow(t, Config{})
		shootFor(c, 3*firstPicture/2, true)
		for n := c.asked.count(); c.asked.count() == n; { // for the age of the keyframe
			shootFor(c, 20*time.Millisecond, true)
		}
		before := c.asked.count()
		shootFor(c, pliQuiet/2, true)
		for range 5 {
			v.Feedback([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 2}})
		}
		shootFor(c, 100*time.Millisecond, true)
		if n := c.asked.count() - before; n != 0 {
			t.Fatalf("a PLI about the picture before asked %d times", n)
		}
		shootFor(c, pliQuiet, true)
		for range 5 {
			v.Feedback([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 2},
				&rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 2}}}})
		}
		shootFor(c, keyframeEvery/2, true)
		if n := c.asked.count() - before; n != 1 {
			t.Fatalf("asked %d times", n)
		}
	})
}

func TestClosedViewerGetsNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, v, s := newShow(t, Config{})
		before := len(s.all())
		v.Close()
		v.Close()
		v.Feedback(nack(0, 0xffff))
		shootFor(c, 100*time.Millisecond, true)
		if n := len(s.all()); n != before {
			t.Fatalf("%d packets after the end", n-before)
		}
		for _, w := range r.workers {
			if w.load.Load() != 0 || len(w.groups) != 0 {
				t.Fatal("the worker still has it")
			}
		}
		if n := c.pub.stream.viewers.Load(); n != 0 {
			t.Fatalf("%d viewers", n)
		}
	})
}
