package media

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func pli(v *Subscriber) {
	v.Feedback([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 2}})
}

func counted(t *testing.T, c prometheus.Counter) int {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return int(m.GetCounter().GetValue())
}

func replays(t *testing.T, r *Relay) int {
	t.Helper()
	return counted(t, r.metrics.replays)
}

// newJoiner joins a show whose only keyframe is some time old.
func newJoiner(t *testing.T, age time.Duration) (*Relay, *camera, *Subscriber, *sink) {
	t.Helper()
	r := newRelay(t, Config{})
	run(t, r)
	c := newCamera(t, r, "acc_1", VP8)
	shootFor(c, age, false)
	v, s, _ := join(t, r, "gst_1")
	synctest.Wait()
	return r, c, v, s
}

func TestFirstPictureIsSentAgain(t *testing.T) {
	for _, age := range []time.Duration{20 * time.Millisecond, 700 * time.Millisecond} {
		t.Run(age.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, c, v, s := newJoiner(t, age)
				shootFor(c, replayQuiet, false)
				synctest.Wait()
				before := len(s.all())
				pli(v)
				synctest.Wait()
				got := s.all()
				if len(got) == before || !beginsKeyframe(got[before]) || number(got[before]) != 0 {
					t.Fatal("the keyframe was not sent again at once")
				}
				shootFor(c, time.Second, false)
				got = s.all()
				checkContinuous(t, got)
				if last := number(got[len(got)-1]); last != int(c.frame-1) {
					t.Fatalf("it is at frame %d of %d", last, c.frame-1)
				}
				moved := time.Duration(got[len(got)-1].Timestamp-got[0].Timestamp) * time.Second / 90_000
				if want := time.Second + replayQuiet; moved < want-100*time.Millisecond || moved > want+100*time.Millisecond {
					t.Errorf("the viewer's time moved by %v in %v", moved, want)
				}
				if c.asked.count() != 0 || replays(t, r) != 1 {
					t.Errorf("the publisher was asked %d times, %d replays", c.asked.count(), replays(t, r))
				}
				for _, p := range []rtp.Packet{got[1], got[before], got[len(got)-1]} {
					v.Feedback(nack(p.SequenceNumber, 0))
					synctest.Wait()
					if all := s.all(); !bytes.Equal(bytesOf(t, all[len(all)-1]), bytesOf(t, p)) {
						t.Errorf("packet %d differs when sent again", p.SequenceNumber)
					}
				}
			})
		})
	}
}

func TestRequestThatCrossedThePictureIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, v, s := newJoiner(t, 20*time.Millisecond)
		before := len(s.all())
		time.Sleep(replayQuiet - time.Millisecond)
		pli(v)
		synctest.Wait()
		if n := len(s.all()); n != before || replays(t, r) != 0 {
			t.Fatalf("%d packets for a request from before", n-before)
		}
	})
}

func TestReplaysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, v, _ := newJoiner(t, 20*time.Millisecond)
		var at []time.Duration
		start := time.Now()
		for len(at) < maxReplays {
			before := replays(t, r)
			shootFor(c, 20*time.Millisecond, false)
			pli(v)
			synctest.Wait()
			if replays(t, r) > before {
				at = append(at, time.Since(start))
			}
			if time.Since(start) > 3*time.Second {
				t.Fatalf("replays at %v only", at)
			}
		}
		for i := 1; i < len(at); i++ {
			if d := at[i] - at[i-1]; d < replayQuiet<<i {
				t.Errorf("replay %d came %v after the one before", i, d)
			}
		}
		if n := c.asked.count(); n != 0 {
			t.Errorf("the publisher was asked %d times for what is in the ring", n)
		}
		shootFor(c, pliQuiet, false)
		pli(v)
		shootFor(c, 40*time.Millisecond, false)
		if replays(t, r) != maxReplays || c.asked.count() != 1 {
			t.Errorf("one past the limit: %d replays, publisher asked %d times", replays(t, r), c.asked.count())
		}
	})
}

func TestLaterRequestsGoToThePublisher(t *testing.T) {
	for _, c := range []struct {
		after   time.Duration
		replays int
	}{{firstPicture - 20*time.Millisecond, 1}, {firstPicture, 0}} {
		t.Run(c.after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, cam, v, _ := newJoiner(t, 20*time.Millisecond)
				shootFor(cam, c.after, false)
				before := cam.asked.count()
				pli(v)
				synctest.Wait()
				if got := replays(t, r); got != c.replays {
					t.Errorf("%d replays", got)
				}
				shootFor(cam, keyframeEvery+20*time.Millisecond, false)
				if c.replays == 0 && cam.asked.count() == before {
					t.Error("the publisher was not asked")
				}
			})
		})
	}
}

func TestPictureThatIsTooOldIsAskedOfThePublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, v, _ := newJoiner(t, 20*time.Millisecond)
		shootFor(c, maxGOP+100*time.Millisecond, false)
		asked := c.asked.count() // for its age alone
		pli(v)
		shootFor(c, keyframeEvery+20*time.Millisecond, false)
		if replays(t, r) != 0 || c.asked.count() <= asked {
			t.Errorf("%d replays, asked %d times", replays(t, r), c.asked.count()-asked)
		}
	})
}
