package media

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
)

// shootFor sends a frame every 20 ms, a keyframe first and whenever asked when answers is set.
func shootFor(c *camera, d time.Duration, answers bool) {
	for start := time.Now(); time.Since(start) < d; time.Sleep(20 * time.Millisecond) {
		key := c.frame == 0
		if n := c.asked.count(); answers && n > c.answered {
			c.answered, key = n, true
		}
		c.send(3, key)
		synctest.Wait()
	}
}

func TestViewerSeesEveryPacketInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{})
		run(t, r)
		c := newCamera(t, r, "acc_1", VP8)
		c.send(3, true)
		_, s, _ := join(t, r, "gst_1")
		synctest.Wait()
		shootFor(c, time.Second, true)
		got := s.all()
		if len(got) != 3+3*50 {
			t.Fatalf("%d packets", len(got))
		}
		checkContinuous(t, got)
		for i, n := range s.runs {
			if n != 3 {
				t.Fatalf("run %d has %d packets: a frame is handed over whole", i, n)
			}
		}
	})
}

func TestJoinCatchesUpFromTheKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{})
		run(t, r)
		c := newCamera(t, r, "acc_1", VP8)
		shootFor(c, 3*time.Second, false)
		_, s, _ := join(t, r, "gst_1")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		first := s.all()
		if len(first) == 0 || !beginsKeyframe(first[0]) {
			t.Fatal("no keyframe at once")
		}
		if len(first) > 60 {
			t.Fatalf("%d packets at once: the backlog is to be paced", len(first))
		}
		shootFor(c, 2*time.Second, false)
		got := s.all()
		checkContinuous(t, got)
		if want := int(c.seq - 65_500); len(got) != want {
			t.Fatalf("%d packets of %d: not caught up", len(got), want)
		}
		// Two seconds after the join, the viewer's clock has moved by two seconds, not by five.
		moved := time.Duration(got[len(got)-1].Timestamp-got[0].Timestamp) * time.Second / 90_000
		if moved < 1900*time.Millisecond || moved > 2300*time.Millisecond {
			t.Fatalf("viewer's time moved by %v", moved)
		}
	})
}

func TestKeyframesAreAskedForRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{})
		run(t, r)
		c := newCamera(t, r, "acc_1", VP8)
		shootFor(c, 3*time.Second, true)
		if n := c.asked.count(); n != 0 {
			t.Fatalf("asked %d times with nobody watching", n)
		}
		// A thousand joins in ten seconds, and each player asks for a picture several times.
		for range 100 {
			for i := range 10 {
				v := joinTo(t, r, fmt.Sprint("gst_", i), discard{}, nil)
				for range 3 {
					v.Feedback([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: 2}})
				}
			}
			shootFor(c, 100*time.Millisecond, true)
		}
		if n := c.asked.count(); n < 4 || n > 6 {
			t.Fatalf("asked %d times in 10 s, want about one per %v: %v", n, keyframeAge, c.asked.at)
		}
		for i := 1; i < len(c.asked.at); i++ {
			if d := c.asked.at[i].Sub(c.asked.at[i-1]); d < keyframeEvery {
				t.Fatalf("two requests %v apart", d)
			}
		}
	})
}

func TestAPublisherThatIgnoresRequestsIsAskedOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{})
		run(t, r)
		c := newCamera(t, r, "acc_1", H264)
		c.send(1, true)
		join(t, r, "gst_1")
		synctest.Wait()
		shootFor(c, 12*time.Second, false)
		if n := c.asked.count(); n < 9 || n > 11 {
			t.Fatalf("asked %d times in 12 s", n)
		}
	})
}

func TestTakeoverIsACutNotAnEnd(t *testing.T) {
	for _, codec := range []Codec{VP8, H264} {
		t.Run(codec.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelay(t, Config{})
				run(t, r)
				c := newCamera(t, r, "acc_1", VP8)
				shootFor(c, time.Second, true)
				_, s, ended := join(t, r, "gst_1")
				shootFor(c, time.Second, true)

				next := newCamera(t, r, "acc_1", codec)
				shootFor(c, 100*time.Millisecond, true) // the old one goes on until the new one is heard
				time.Sleep(700 * time.Millisecond)
				next.ts, next.seq, next.frame = 77, 5, 0
				shootFor(next, time.Second, true)
				if err := <-c.ended; !errors.Is(err, ErrTakenOver) {
					t.Fatalf("first publisher ended with %v", err)
				}
				if err := c.layer.Write(c.raw([]byte{1}, true)); !errors.Is(err, ErrClosed) {
					t.Fatalf("write after takeover: %v", err)
				}
				got := s.all()
				checkContinuous(t, got)
				last := got[len(got)-1]
				if want := binding.Video.PayloadTypes[codec]; last.PayloadType != want {
					t.Fatalf("payload type %d, want %d", last.PayloadType, want)
				}
				var cut int
				for i := 1; i < len(got); i++ {
					if d := int32(got[i].Timestamp - got[i-1].Timestamp); d > 9000 {
						if cut != 0 {
							t.Fatal("time jumped twice")
						}
						cut = i
						if d < 90*600 || d > 90*900 {
							t.Fatalf("time moved by %d ms over a pause of 720 ms", d/90)
						}
					}
				}
				if cut == 0 {
					t.Fatal("the pause is not seen in the timestamps")
				}
				if codec == VP8 && !beginsKeyframe(got[cut]) {
					t.Fatal("it does not go on with a keyframe")
				}
				if len(ended) != 0 {
					t.Fatal("the viewer was ended")
				}
			})
		})
	}
}

func TestGraceTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []bool
		r := newRelay(t, Config{OnAir: func(id StreamID, on bool) {
			mu.Lock()
			told = append(told, on)
			mu.Unlock()
		}})
		said := func() string {
			mu.Lock()
			defer mu.Unlock()
			return fmt.Sprint(told)
		}
		run(t, r)
		if _, err := r.Subscribe(show, watchGrant("gst_1"), everyCodec, nil); !errors.Is(err, ErrNotLive) {
			t.Fatalf("watch before: %v", err)
		}
		c := newCamera(t, r, "acc_1", VP8)
		if r.OnAir(show) {
			t.Fatal("on air before the first packet")
		}
		c.send(3, true)
		_, s, ended := join(t, r, "gst_1")
		c.pub.Close()
		c.pub.Close() // twice is once
		time.Sleep(4800 * time.Millisecond)
		if !r.OnAir(show) {
			t.Fatal("off air within the grace time")
		}
		// Back in time: nobody heard of it.
		c = newCamera(t, r, "acc_1", VP8)
		c.send(3, true)
		time.Sleep(4800 * time.Millisecond)
		if !r.OnAir(show) || said() != "[true]" {
			t.Fatalf("on air %v, told %v", r.OnAir(show), said())
		}
		// Silent although connected is the same as gone.
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		if r.OnAir(show) || said() != "[true false]" {
			t.Fatalf("after the grace time: on air %v, told %v", r.OnAir(show), said())
		}
		if _, err := r.Subscribe(show, watchGrant("gst_2"), everyCodec, nil); !errors.Is(err, ErrNotLive) {
			t.Fatalf("watch after: %v", err)
		}
		// The viewer has stayed, and the same publisher is heard again.
		c.send(3, true)
		synctest.Wait()
		if len(ended) != 0 || !r.OnAir(show) {
			t.Fatalf("viewer ended %d, on air %v", len(ended), r.OnAir(show))
		}
		checkContinuous(t, s.all())
	})
}

func TestRevokeSelects(t *testing.T) {
	byKey := Grant{Subject: "acc_1", Session: "ses_1", KeyGeneration: 3, Rights: RightPublish}
	ticket := Grant{Subject: "acc_1", Session: "ses_1", Rights: RightPublish}
	for _, c := range []struct {
		name  string
		m     Match
		grant Grant
		want  bool
	}{
		{"all", Match{}, byKey, true},
		{"stream", Match{Stream: show}, byKey, true},
		{"other stream", Match{Stream: "x"}, byKey, false},
		{"subject", Match{Subject: "acc_1"}, byKey, true},
		{"other subject", Match{Subject: "acc_2"}, byKey, false},
		{"session", Match{Session: "ses_1"}, ticket, true},
		{"other session", Match{Session: "ses_2"}, ticket, false},
		{"anonymous is not everybody", Match{Subject: "acc_1"}, Grant{Rights: RightWatch}, false},
		{"older key", Match{KeyGenerationBelow: 4}, byKey, true},
		{"same key", Match{KeyGenerationBelow: 3}, byKey, false},
		{"newer key", Match{KeyGenerationBelow: 2}, byKey, false},
		{"no key", Match{KeyGenerationBelow: 4}, ticket, false},
		{"subject and key", Match{Subject: "acc_2", KeyGenerationBelow: 4}, byKey, false},
	} {
		if got := c.m.selects(show, c.grant); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestRevokeAndCloseEndSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{})
		run(t, r)
		c := newCamera(t, r, "acc_1", VP8)
		c.send(3, true)
		_, s, ended := join(t, r, "gst_1")
		_, s2, ended2 := join(t, r, "gst_2")
		synctest.Wait()
		if n := r.Revoke(Match{Stream: show, Subject: "gst_1"}); n != 1 {
			t.Fatalf("revoked %d", n)
		}
		if err := <-ended; !errors.Is(err, ErrRevoked) {
			t.Fatal(err)
		}
		if n := r.Revoke(Match{}); n != 0 {
			t.Fatalf("an order that names nobody ended %d", n)
		}
		r.Close("")
		before := len(s.all())
		c.send(3, false)
		synctest.Wait()
		if len(s.all()) != before || len(s2.all()) != before+3 {
			t.Fatal("the revoked viewer went on, or the other did not")
		}
		if n := r.Revoke(Match{Subject: "gst_1"}); n != 0 {
			t.Fatalf("revoked %d again", n)
		}
		r.Close(show)
		r.Close(show)
		if err := <-ended2; !errors.Is(err, ErrEnded) {
			t.Fatal(err)
		}
		if err := <-c.ended; !errors.Is(err, ErrEnded) {
			t.Fatal(err)
		}
		if r.OnAir(show) {
			t.Fatal("closed and on air")
		}
		time.Sleep(time.Second)
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.streams) != 0 || r.viewers != 0 || r.publishers != 0 {
			t.Fatalf("left over: %d streams, %d viewers, %d publishers", len(r.streams), r.viewers, r.publishers)
		}
	})
}

func TestGrantsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{})
		run(t, r)
		c := newCamera(t, r, "acc_1", VP8)
		c.send(1, true)
		g := watchGrant("gst_1")
		g.Expires = time.Now().Add(3 * time.Second)
		ended := make(chan error, 1)
		if _, err := r.Subscribe(show, g, everyCodec, func(err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2900 * time.Millisecond)
		if len(ended) != 0 {
			t.Fatal("too early")
		}
		time.Sleep(300 * time.Millisecond)
		if err := <-ended; !errors.Is(err, ErrExpired) {
			t.Fatal(err)
		}
		c.send(1, true)
		if _, err := r.Subscribe(show, g, everyCodec, nil); !errors.Is(err, ErrExpired) {
			t.Fatalf("expired grant: %v", err)
		}
	})
}

func TestSeatsAreLimited(t *testing.T) {
	r := newRelay(t, Config{MaxPublishers: 1, MaxViewers: 3, MaxViewersPerStream: 2})
	c := newCamera(t, r, "acc_1", VP8)
	c.send(1, true)
	if _, err := r.Publish("shw_2", publishGrant("acc_2"), PublishOptions{}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one publisher too many: %v", err)
	}
	if _, err := r.Publish(show, publishGrant("acc_2"), PublishOptions{}); !errors.Is(err, ErrPublisherPresent) {
		t.Errorf("another subject: %v", err)
	}
	if _, err := r.Publish(show, watchGrant("acc_1"), PublishOptions{}); !errors.Is(err, ErrForbidden) {
		t.Errorf("without the right: %v", err)
	}
	if _, err := r.Subscribe(show, publishGrant("acc_1"), everyCodec, nil); !errors.Is(err, ErrForbidden) {
		t.Errorf("without the right: %v", err)
	}
	var codec *CodecError
	if _, err := r.Subscribe(show, watchGrant(""), []Codec{Opus, H264}, nil); !errors.As(err, &codec) {
		t.Errorf("no common codec: %v", err)
	}
	for i := range 3 {
		_, err := r.Subscribe(show, watchGrant(""), everyCodec, nil)
		if (i < 2) != (err == nil) || i == 2 && !errors.Is(err, ErrTooMany) {
			t.Errorf("viewer %d: %v", i, err)
		}
	}
	if _, err := c.pub.AddLayer(H264); !errors.Is(err, ErrTooMany) {
		t.Errorf("a second video layer: %v", err)
	}
}

func TestRunEndsEverything(t *testing.T) {
	r := newRelay(t, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	c := newCamera(t, r, "acc_1", VP8)
	c.send(1, true)
	_, _, ended := join(t, r, "gst_1")
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := <-c.ended; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, err := r.Publish(show, publishGrant("acc_1"), PublishOptions{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestPublisherOverItsBitrateIsEnded(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int
		ends  bool
	}{{"at twice the limit", 3 * 206 * 8 * 50 / 2, false}, {"beyond", 3 * 206 * 8 * 50 / 3, true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelay(t, Config{MaxBitrate: c.limit})
				run(t, r)
				cam := newCamera(t, r, "acc_1", VP8)
				for i := 0; i < 250 && len(cam.ended) == 0; i++ {
					cam.send(3, i == 0)
					time.Sleep(20 * time.Millisecond)
				}
				if got := len(cam.ended) != 0; got != c.ends {
					t.Fatalf("ended %v", got)
				}
			})
		})
	}
}
