package media

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
)

// off is by how much the timestamps of a viewer's newest picture are ahead of when it was taken.
func off(s *sink, taken time.Time) time.Duration {
	all := s.all()
	ticks := int32(all[len(all)-1].Timestamp - pictureTicks(ntpTime(taken)))
	return time.Duration(ticks) * time.Second / 90_000
}

func TestPictureTicks(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want uint32
	}{
		{time.Unix(0, 0), 0},
		{time.Unix(1, 500_000_000), 135_000},
		{time.Unix(47_722, 0), 47_722*90_000 - 1<<32},
		{time.Date(2036, 2, 7, 6, 28, 15, 0, time.UTC), uint32(2_085_978_495 * 90_000 % (1 << 32))},
		{time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC), uint32(2_085_978_496 * 90_000 % (1 << 32))}, // seconds of reports begin anew
	} {
		if got := pictureTicks(ntpTime(c.at)); got != c.want && got+1 != c.want {
			t.Errorf("%v: %d, want %d", c.at, got, c.want)
		}
	}
	for _, d := range []time.Duration{0, time.Millisecond, -time.Millisecond, -3 * time.Hour, 80 * time.Hour} {
		if got := span(ntpSpan(d)); (got - d).Abs() > time.Microsecond {
			t.Errorf("%v became %v", d, got)
		}
	}
}

// A picture is told to have been taken when it was: at once for who comes when reports have come, by and by for who was
// there before, and for good though the publisher's clock is quicker than ours. Time never goes back.
func TestTimestampsAreTheServersClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, _, s := newShow(t, Config{})
		const way = 60 * time.Millisecond // from the camera's eye to the relay
		// By the camera, whose clock is 500 ppm quick, and 20 days wrong. Its reports take no time, so the way is all encoding.
		began := time.Now()
		ts := c.ts
		play := func(d time.Duration) {
			for range d / (20 * time.Millisecond) {
				passed := time.Since(began)
				passed += passed / 2000
				own := ts + uint32(VP8.ticks(passed))
				if int(passed/time.Second) != int((passed-20*time.Millisecond)/time.Second) {
					c.layer.Report(&rtcp.SenderReport{NTPTime: ntpTime(began.Add(passed + 480*time.Hour)), RTPTime: own + uint32(VP8.ticks(way))})
				}
				c.ts = own
				asked := c.asked.count()
				c.send(3, asked > c.answered)
				c.answered = asked
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
			}
		}
		taken := func() time.Time { return time.Now().Add(-20*time.Millisecond - way) }
		play(500 * time.Millisecond)
		if got := off(s, taken()); (got - way).Abs() > 21*time.Millisecond {
			t.Errorf("before the first report the picture is %v off, not as long as it took to come", got)
		}
		play(12 * time.Second)
		if got := off(s, taken()); got.Abs() > keepWithin+3*time.Millisecond {
			t.Errorf("%v off after the first reports", got)
		}
		_, late, _ := join(t, r, "gst_2")
		play(2 * time.Second)
		if got := off(late, taken()); got.Abs() > keepWithin+keepStep {
			t.Errorf("who came later is %v off", got)
		}
		play(5 * time.Minute)
		for name, s := range map[string]*sink{"first": s, "later": late} {
			if got := off(s, taken()); got.Abs() > keepWithin+3*time.Millisecond {
				t.Errorf("%s: %v off after five minutes", name, got)
			}
			checkContinuous(t, s.all())
			before := s.all()[0].Timestamp
			for _, p := range s.all() {
				if step := int32(p.Timestamp - before); step < 0 {
					t.Fatalf("%s: time went back by %d", name, -step)
				}
				before = p.Timestamp
			}
		}
	})
}

// At 125 frames a second a frame lasts less than what is mended at once elsewhere: time is brought back all the same, and
// never goes back.
func TestTimeOfQuickFramesNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, _, s := newShow(t, Config{})
		const way, frame = 60 * time.Millisecond, 8 * time.Millisecond
		began, ts := time.Now(), c.ts
		for n := range 30 * time.Second / frame {
			c.ts = ts + uint32(VP8.ticks(time.Since(began)))
			if n > 0 && n%125 == 0 {
				c.layer.Report(&rtcp.SenderReport{NTPTime: ntpTime(time.Now()), RTPTime: c.ts + uint32(VP8.ticks(way))})
			}
			asked := c.asked.count()
			c.send(3, asked > c.answered)
			c.answered = asked
			time.Sleep(frame)
			synctest.Wait()
		}
		if got := off(s, time.Now().Add(-frame-way)); got.Abs() > keepWithin+3*time.Millisecond {
			t.Errorf("%v off", got)
		}
		before := s.all()[0].Timestamp
		for _, p := range s.all() {
			if step := int32(p.Timestamp - before); step < 0 {
				t.Fatalf("time went back by %d", -step)
			}
			before = p.Timestamp
		}
	})
}

// Who came before the first report of an encoder that takes a second is not a second off for minutes, and has no jump.
func TestTimeFarOffIsSoonNear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, _, s := newShow(t, Config{})
		const way, frame = time.Second, 20 * time.Millisecond
		began, ts := time.Now(), c.ts
		for n := range 10 * time.Second / frame {
			c.ts = ts + uint32(VP8.ticks(time.Since(began)))
			if n > 0 && n%50 == 0 {
				c.layer.Report(&rtcp.SenderReport{NTPTime: ntpTime(time.Now()), RTPTime: c.ts + uint32(VP8.ticks(way))})
			}
			asked := c.asked.count()
			c.send(3, asked > c.answered)
			c.answered = asked
			time.Sleep(frame)
			synctest.Wait()
		}
		if got := off(s, time.Now().Add(-frame-way)); got.Abs() > keepFar+keepStep {
			t.Errorf("%v off", got)
		}
		before := s.all()[0].Timestamp
		for _, p := range s.all() {
			if step := int32(p.Timestamp - before); step < 0 || step > int32(VP8.ticks(frame+keepStep)) {
				t.Fatalf("time went on by %d", step)
			}
			before = p.Timestamp
		}
	})
}

// Encoders report what they like.
func TestTimestampsThroughFalseReports(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"an hour late": -time.Hour, "just too late": -lagMost - time.Second, "early": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c, _, s := newShow(t, Config{})
				c.layer.Report(&rtcp.SenderReport{NTPTime: 1 << 40, RTPTime: c.ts - uint32(VP8.ticks(ahead))})
				for range 300 {
					c.send(3, false)
					time.Sleep(20 * time.Millisecond)
					synctest.Wait()
				}
				if got := off(s, time.Now().Add(-20*time.Millisecond)); got.Abs() > 25*time.Millisecond {
					t.Errorf("%v off", got)
				}
			})
		})
	}
}
