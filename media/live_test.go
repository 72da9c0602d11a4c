package media

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
)

// costly takes as long for a packet as a machine does, and notes how late each is that carries its arrival.
type costly struct {
	relay *Relay
	watch uint32 // SSRC

	mu     sync.Mutex
	worst  time.Duration
	number int
}

func (c *costly) Send(_ int, run []Outgoing) int {
	time.Sleep(packetCost * time.Duration(len(run)))
	if c.watch != run[0].Header.SSRC {
		return len(run)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range run {
		b := p.Payload
		sent := time.Duration(b[len(b)-1]) * time.Second / 100 // the hundredth in which it was sent
		c.worst, c.number = max(c.worst, c.relay.now()-sent), c.number+1
	}
	return len(run)
}

func (c *costly) SendReports(int, []rtcp.Packet) {}

func (c *costly) forget() {
	c.mu.Lock()
	c.worst, c.number = 0, 0
	c.mu.Unlock()
}

// One keyframe to everybody takes the worker 120 ms here. Sound, and another stream's picture, do not wait so long.
func TestALargeKeyframeHoldsUpNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const viewers, key = 300, 200
		r := newRelay(t, Config{Workers: 1})
		run(t, r)
		c := newCamera(t, r, "acc_1", VP8)
		mic, err := c.pub.AddLayer(Opus)
		if err != nil {
			t.Fatal(err)
		}
		other, err := r.Publish("shw_2", publishGrant("acc_2"), PublishOptions{Feedback: c.asked, OnEnd: func(error) {}})
		if err != nil {
			t.Fatal(err)
		}
		layer, err := other.AddLayer(H264)
		if err != nil {
			t.Fatal(err)
		}
		sound, stage := &camera{t: t, layer: mic}, &camera{t: t, layer: layer}
		tick := func() { // a hundredth of a second
			n := byte((r.now() + 5*time.Millisecond) * 100 / time.Second)
			sound.write(sound.raw([]byte{n}, true))
			sound.ts += 480
			stage.write(stage.raw([]byte{0x65, n}, true)) // a keyframe each time
			stage.ts += 900
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(10*time.Millisecond - 1)
		c.send(5, true)
		tick()
		var all []*costly
		for i := range viewers {
			all = append(all, &costly{relay: r, watch: 1})
			joinTo(t, r, "gst", all[i], nil)
		}
		v, err := r.Subscribe("shw_2", watchGrant("gst_2"), everyCodec, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		away := &costly{relay: r, watch: 2}
		v.Start(away, binding)
		for range 10 {
			c.send(5, false)
			tick()
		}
		time.Sleep(2 * soundWait) // the last sound is still waiting for a frame
		for _, s := range append(all, away) {
			s.forget()
		}
		c.send(key, true)
		for range 20 {
			tick()
		}
		time.Sleep(2 * soundWait)
		whole := viewers * key * packetCost
		if late := r.Lateness(); late < whole/2 {
			t.Errorf("it says %v, the keyframe took %v", late, whole)
		}
		// What comes in just after a turn began is sent in the next.
		bound := 2 * (viewers*(livePart+2)*packetCost + turnWork)
		for _, s := range append(all, away) {
			s.mu.Lock()
			if s.number != 20 || s.worst > bound {
				t.Fatalf("%d packets on stream %d, up to %v late, at most %v", s.number, s.watch, s.worst, bound)
			}
			s.mu.Unlock()
		}
		t.Logf("%v late of %v, the keyframe took %v", all[viewers-1].worst, bound, whole)
	})
}

// Sound leaves at the end of a frame where it can. It waits no longer than soundWait for one, and not at all for a picture
// that stands still.
func TestSoundLeavesWithThePicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, _, s := newShow(t, Config{})
		mic, err := c.pub.AddLayer(Opus)
		if err != nil {
			t.Fatal(err)
		}
		sound := &camera{t: t, layer: mic, asked: &asked{}, pub: c.pub}
		say := func() {
			sound.write(sound.raw([]byte{1}, false))
			sound.ts += 960
		}
		seen := 0
		came := func() (kinds []uint32) {
			synctest.Wait()
			all := s.all()
			for _, p := range all[seen:] {
				kinds = append(kinds, p.SSRC)
			}
			seen = len(all)
			return kinds
		}
		for range 10 {
			c.send(3, false)
			say()
			time.Sleep(30 * time.Millisecond)
		}
		came()
		say()
		if got := came(); len(got) > 0 {
			t.Errorf("sound did not wait: %v", got)
		}
		time.Sleep(soundWait / 2)
		c.send(3, false)
		if got, want := came(), []uint32{2, 2, 2, 1}; !slices.Equal(got, want) {
			t.Errorf("a frame and sound left as %v", got)
		}
		say()
		time.Sleep(soundWait - time.Millisecond)
		if got := came(); len(got) > 0 {
			t.Errorf("sound did not wait: %v", got)
		}
		time.Sleep(time.Millisecond)
		if got := came(); !slices.Equal(got, []uint32{1}) {
			t.Errorf("after its time came %v", got)
		}
		time.Sleep(soundAlone)
		say()
		if got := came(); !slices.Equal(got, []uint32{1}) {
			t.Errorf("without a picture came %v", got)
		}
	})
}
