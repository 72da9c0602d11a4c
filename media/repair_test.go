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

var repairTypes = map[Codec]uint8{VP8: 97, H264: 103}

func (s *sink) repaired() []repair {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.repairs)
}

// checkRepair fails when a repair does not carry the original, RFC 4588 section 4.
func checkRepair(t *testing.T, got repair, of rtp.Packet, pt uint8) {
	t.Helper()
	if got.SSRC != 3 || got.PayloadType != pt {
		t.Fatalf("repaired on stream %d with type %d", got.SSRC, got.PayloadType)
	}
	if got.original != of.SequenceNumber || got.Timestamp != of.Timestamp || got.Marker != of.Marker || !bytes.Equal(got.Payload, of.Payload) {
		t.Fatalf("%+v (original %d) does not carry %+v", got.Header, got.original, of.Header)
	}
}

// newRepairShow is a relay with a camera on air, a viewer with a retransmission stream, and 100 ms of media.
func newRepairShow(t *testing.T, types map[Codec]uint8) (*Relay, *camera, *Subscriber, *sink) {
	t.Helper()
	r := newRelay(t, Config{})
	run(t, r)
	c := newCamera(t, r, "acc_1", VP8)
	c.send(3, true)
	v, s := joinWith(t, r, types)
	synctest.Wait()
	shootFor(c, 100*time.Millisecond, true)
	return r, c, v, s
}

func TestLostPacketsComeOnAStreamOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, v, s := newRepairShow(t, repairTypes)
		c.layer.Report(&rtcp.SenderReport{NTPTime: 1 << 32, RTPTime: c.ts})
		sent := s.all()
		for range 2 { // asked for twice, each is repaired twice
			for _, p := range sent {
				v.Feedback(nack(p.SequenceNumber, 0))
				synctest.Wait()
			}
		}
		got := s.repaired()
		if len(got) != 2*len(sent) || len(s.all()) != len(sent) {
			t.Fatalf("%d repairs and %d other packets for %d", len(got), len(s.all())-len(sent), 2*len(sent))
		}
		if got[0].SequenceNumber >= 1<<15 {
			t.Errorf("it begins at %d, too close to the end of the count", got[0].SequenceNumber)
		}
		for i, p := range got {
			checkRepair(t, p, sent[i%len(sent)], 97)
			if p.SequenceNumber != got[0].SequenceNumber+uint16(i) {
				t.Fatalf("repair %d has number %d after %d", i, p.SequenceNumber, got[i-1].SequenceNumber)
			}
		}
		shootFor(c, 2*reportEvery, true)
		octets := 0
		for _, p := range s.all() {
			octets += len(p.Payload)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.reports) == 0 {
			t.Fatal("no report")
		}
		sr, later := s.reports[len(s.reports)-1], 0
		for _, p := range s.packets {
			if int32(p.Timestamp-sr.RTPTime) > 0 {
				later++
				octets -= len(p.Payload)
			}
		}
		if want := len(s.packets) - later; int(sr.PacketCount) != want || int(sr.OctetCount) != octets || sr.SSRC != 2 {
			t.Errorf("reported %d packets, %d bytes of stream %d, want %d, %d", sr.PacketCount, sr.OctetCount, sr.SSRC, want, octets)
		}
	})
}

func TestRepairKeepsTheCodecOfItsTime(t *testing.T) {
	for name, types := range map[string]map[Codec]uint8{
		"both are repaired": repairTypes, "only the old one": {VP8: 97}, "only the new one": {H264: 103},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _, v, s := newRepairShow(t, types)
				before := len(s.all())
				next := newCamera(t, r, "acc_1", H264)
				shootFor(next, 100*time.Millisecond, true)
				sent := s.all()
				if len(sent) == before {
					t.Fatal("no takeover")
				}
				for i, p := range sent {
					codec := VP8
					if i >= before {
						codec = H264
					}
					repairs, again := len(s.repaired()), len(s.all())
					v.Feedback(nack(p.SequenceNumber, 0))
					synctest.Wait()
					if pt, ok := types[codec]; ok {
						checkRepair(t, s.repaired()[repairs], p, pt)
						continue
					}
					if got := s.all(); len(got) != again+1 || !bytes.Equal(bytesOf(t, got[again]), bytesOf(t, p)) {
						t.Fatalf("packet %d of %v is not sent again as it was", i, codec)
					}
				}
			})
		})
	}
}

func TestRepairNeedsItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, _, _ := newRepairShow(t, repairTypes)
		b := binding
		b.Video.RepairTypes = repairTypes // and no SSRC
		v, err := r.Subscribe(show, watchGrant("gst_2"), everyCodec, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		s := &sink{room: -1}
		v.Start(s, b)
		synctest.Wait()
		sent := s.all()
		v.Feedback(nack(sent[1].SequenceNumber, 0))
		synctest.Wait()
		if got := s.all(); len(got) != len(sent)+1 || !bytes.Equal(bytesOf(t, got[len(sent)]), bytesOf(t, sent[1])) {
			t.Error("not sent again as it was")
		}
	})
}

func TestRepairsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, v, s := newRepairShow(t, repairTypes)
		sent := s.all()
		last := sent[len(sent)-1].SequenceNumber
		v.Feedback(nack(last+1, 0xffff))                  // never sent
		v.Feedback(nack(sent[0].SequenceNumber-17, 0xff)) // before the first
		synctest.Wait()
		if n := len(s.repaired()); n != 0 || dropped(t, r, dropGone) != 17+9 {
			t.Fatalf("%d repairs for nothing, %d counted", n, dropped(t, r, dropGone))
		}
		for range 20 {
			v.Feedback(nack(last-16, 0xffff))
		}
		synctest.Wait()
		if n := len(s.repaired()); n != nackBurst || dropped(t, r, dropBudget) != 20*17-nackBurst {
			t.Fatalf("%d repairs, burst is %d; %d counted", n, nackBurst, dropped(t, r, dropBudget))
		}
		shootFor(c, time.Second, true)
		v.Feedback(nack(last, 0))
		synctest.Wait()
		got := s.repaired()
		if n := got[nackBurst].SequenceNumber - got[0].SequenceNumber; n != nackBurst {
			t.Errorf("what was refused used up %d numbers", n-nackBurst)
		}
	})
}

// What the sender did not take may have been sealed already: its number is not used again.
func TestRepairNumbersAreNeverUsedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, v, s := newRepairShow(t, repairTypes)
		sent := s.all()
		ask := func() { v.Feedback(nack(sent[0].SequenceNumber, 3)); synctest.Wait() }
		s.setRoom(1)
		ask()
		s.setRoom(-1)
		ask()
		got := s.repaired()
		if len(got) != 1+3 {
			t.Fatalf("%d repairs", len(got))
		}
		if n := got[1].SequenceNumber - got[0].SequenceNumber; n != 3 {
			t.Errorf("%d numbers after three were offered", n)
		}
	})
}

func TestLatePacketIsNoRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, _, s := newRepairShow(t, repairTypes)
		frame := c.shoot(3, false)
		c.write(frame[0], frame[2])
		synctest.Wait()
		c.write(frame[1])
		synctest.Wait()
		got := s.all()
		if len(s.repaired()) != 0 || got[len(got)-1].SSRC != 2 || got[len(got)-1].SequenceNumber+1 != got[len(got)-2].SequenceNumber {
			t.Errorf("%d repairs, last packet %+v", len(s.repaired()), got[len(got)-1].Header)
		}
	})
}

// Both counts go round: that of the media stream, and that of its repairs.
func TestRepairOverTheWrap(t *testing.T) {
	r := newRelay(t, Config{Workers: 1})
	c := newCamera(t, r, "acc_1", VP8)
	c.send(1, true)
	v, s := joinWith(t, r, repairTypes)
	w := r.workers[0]
	w.turn(r.now())
	v.tracks[Video].repairs = 65_530
	var last []rtp.Packet // the newest 20
	for n := 0; len(last) == 0 || last[len(last)-1].SequenceNumber != 9; n++ {
		if n > 1<<16 {
			t.Fatal("the count did not wrap")
		}
		c.send(1, n%1000 == 0)
		w.turn(r.now())
		s.mu.Lock()
		last = append(last, s.packets...)
		s.packets = s.packets[:0]
		s.mu.Unlock()
		last = slices.Delete(last, 0, max(0, len(last)-20))
	}
	checkContinuous(t, last)
	v.Feedback(nack(last[0].SequenceNumber, 0xffff))
	v.Feedback(nack(last[17].SequenceNumber, 3))
	w.turn(r.now())
	got := s.repaired()
	if len(got) != 20 {
		t.Fatalf("%d repairs", len(got))
	}
	for i, p := range got {
		checkRepair(t, p, last[i], 97)
		if want := uint16(i - 6); p.SequenceNumber != want {
			t.Fatalf("repair %d has number %d, want %d", i, p.SequenceNumber, want)
		}
	}
}
