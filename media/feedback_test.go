package media

import (
	"fmt"
	"testing"

	"github.com/pion/rtcp"
)

// nacks is one packet that asks n times for 17 packets.
func nacks(n int, first uint16) []rtcp.Packet {
	f := &rtcp.TransportLayerNack{MediaSSRC: 2}
	for range n {
		f.Nacks = append(f.Nacks, rtcp.NackPair{PacketID: first, LostPackets: 0xffff})
	}
	return []rtcp.Packet{f}
}

func TestFeedbackQueueIsBounded(t *testing.T) {
	r := newRelay(t, Config{Workers: 1})
	c := newCamera(t, r, "acc_1", VP8)
	c.send(1, true)
	for i := range feedbackSlots / feedbackPerViewer { // nothing runs: nothing is taken from the queue
		v, _, _ := join(t, r, fmt.Sprint("gst_", i))
		v.Feedback(nacks(feedbackPerViewer-2, 0))
		v.Feedback([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 2}, &rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 2}}}})
	}
	if n, m := dropped(t, r, dropFeedback), dropped(t, r, dropFlood); n != 0 || m != 0 {
		t.Fatalf("%d and %d dropped at the limit", n, m)
	}
	v, _, _ := join(t, r, "gst_more")
	pli(v)
	if n, m := dropped(t, r, dropFeedback), dropped(t, r, dropFlood); n != 1 || m != 0 {
		t.Fatalf("%d and %d dropped one past the limit", n, m)
	}
	w := r.workers[0]
	if len(w.feedback) != feedbackSlots {
		t.Fatalf("%d slots in use", len(w.feedback))
	}
	w.turn(r.now())
	pli(v)
	if n := dropped(t, r, dropFeedback); n != 1 {
		t.Fatalf("%d dropped after a turn took the queue", n)
	}
}

func TestFloodOfNacksLeavesRoomForOthers(t *testing.T) {
	r := newRelay(t, Config{Workers: 1})
	c := newCamera(t, r, "acc_1", VP8)
	c.send(3, true)
	loud, noise, _ := join(t, r, "gst_loud")
	quiet, s, _ := join(t, r, "gst_quiet")
	w := r.workers[0]
	for range 10 {
		c.send(5, false)
		w.turn(r.now())
	}
	first, mine := noise.all()[0].SequenceNumber, s.all()[0].SequenceNumber
	loud.Feedback(nacks(feedbackPerViewer, first))
	if n := dropped(t, r, dropFlood); n != 0 {
		t.Fatalf("%d dropped at the limit", n)
	}
	loud.Feedback(nacks(1, first))
	if n := dropped(t, r, dropFlood); n != 1 {
		t.Fatalf("%d dropped one past the limit", n)
	}
	for range 100 {
		loud.Feedback(nacks(300, first))
	}
	quiet.Feedback(nacks(1, mine))
	if n := len(w.feedback); n != feedbackPerViewer+1 || dropped(t, r, dropFlood) != 1+100*300 || dropped(t, r, dropFeedback) != 0 {
		t.Fatalf("%d waiting, %d of the flood dropped", n, dropped(t, r, dropFlood))
	}

	// Each turn takes up a bounded part of it, and those who follow live are not kept waiting.
	before, turns, now := len(s.all()), 0, r.now() // no time passes, and no budget comes back
	for ; len(s.all()) == before; turns++ {
		if turns > 1+feedbackPerViewer*17/replyPackets {
			t.Fatalf("not answered in %d turns", turns)
		}
		if got := counted(t, r.metrics.nacks); got > turns*(replyPackets+17) {
			t.Fatalf("%d packets looked up in %d turns", got, turns)
		}
		w.turn(now)
		if w.again != 1 && len(s.all()) == before {
			t.Fatal("the rest of the queue is left lying")
		}
		loud.Feedback(nacks(300, first)) // and it goes on
	}
	if n := len(s.all()) - before; n != 17 {
		t.Errorf("%d packets sent again to who lost 17", n)
	}
	if n := len(noise.all()) - before; n != nackBurst {
		t.Errorf("%d packets sent again to the loud one, burst is %d", n, nackBurst)
	}
	for len(w.feedback) > 0 || w.replied < len(w.spare.feedback) {
		w.turn(now)
	}
	if n := loud.asking.Load(); n != 0 {
		t.Fatalf("%d slots are not given back", n)
	}
}

func TestATurnAnswersOnlySoMuch(t *testing.T) {
	for name, more := range map[string]int{"at the limit": 0, "one past the limit": 1} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, Config{Workers: 1})
			c := newCamera(t, r, "acc_1", VP8)
			c.send(3, true)
			v, s, _ := join(t, r, "gst_1")
			w := r.workers[0]
			w.turn(r.now())
			first := s.all()[0].SequenceNumber
			v.Feedback(nacks(replyPackets/17, first+1000))
			for range replyPackets%17 + more {
				v.Feedback(nack(first, 0))
			}
			w.turn(r.now())
			if got := len(w.spare.feedback) - w.replied; got != more || (w.again == 1) != (more > 0) {
				t.Fatalf("%d left of a turn; the next comes in %v", got, w.again)
			}
			w.turn(r.now())
			if got, want := len(s.all())-3, replyPackets%17+more; got != want {
				t.Errorf("%d packets sent again, want %d", got, want)
			}
		})
	}
}

// What a viewer that has gone had asked for is dropped without being looked at.
func TestFeedbackOfOneThatHasGone(t *testing.T) {
	r := newRelay(t, Config{Workers: 1})
	c := newCamera(t, r, "acc_1", VP8)
	c.send(3, true)
	v, s, _ := join(t, r, "gst_1")
	w := r.workers[0]
	w.turn(r.now())
	sent := s.all()
	for range 20 {
		v.Feedback(nacks(feedbackPerViewer/20, sent[0].SequenceNumber))
	}
	w.turn(r.now()) // not all of it
	before := len(s.all())
	v.Close()
	for range 20 {
		w.turn(r.now())
	}
	if n := len(s.all()); n != before || len(w.groups) != 0 || len(w.behind) != 0 || v.asking.Load() != 0 {
		t.Errorf("%d packets after the end; %d groups, %d behind, %d asking", n-before, len(w.groups), len(w.behind), v.asking.Load())
	}
}
