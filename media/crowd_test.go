package media

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
)

// A crowd joins a show on one worker, on a scripted clock: sending a packet takes as long as it does on a machine, and
// nothing else takes time.

const (
	packetCost = 2 * time.Microsecond
	crowdFrame = 40 * time.Millisecond // between two frames
	crowdTick  = 10 * time.Millisecond
)

// crowd is a show and those who watch it.
type crowd struct {
	t      *testing.T
	r      *Relay
	c      *camera
	frame  int // packets of a frame, and of a keyframe
	key    int
	wrote  [256]atomic.Int64 // when each frame came in, by the last byte of its number
	keyAt  time.Duration
	calmed [256]atomic.Bool // the worker is not busy with a keyframe that came before this frame
	early  []*watcher
	late   []*watcher
}

// watcher is a viewer that notes when it gets what.
type watcher struct {
	crowd  *crowd
	sub    *Subscriber
	joined time.Duration
	asks   int // PLIs sent

	mu      sync.Mutex
	lost    int
	next    uint16
	begun   bool
	inKey   bool
	picture time.Duration // when the first keyframe was complete, 0 before
	worst   time.Duration // how late the latest calm frame came
	last    byte          // newest frame
	behind  int           // frames behind an early viewer, three seconds after the join; -1: not yet
}

func (w *watcher) Send(_ int, run []Outgoing) int {
	time.Sleep(packetCost * time.Duration(len(run)))
	now := w.crowd.r.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range run {
		h, body := &run[i].Header, run[i].Payload
		if w.begun && h.SequenceNumber != w.next {
			w.lost++
		}
		w.begun, w.next = true, h.SequenceNumber+1
		if body[0] == 0x10 && body[1]&1 == 0 {
			w.inKey = true
		}
		if h.Marker && w.inKey {
			w.inKey = false
			if w.picture == 0 {
				w.picture = now
			}
		}
		w.last = body[len(body)-1]
	}
	if w.crowd.calmed[w.last].Load() {
		w.worst = max(w.worst, now-time.Duration(w.crowd.wrote[w.last].Load()))
	}
	return len(run)
}

func (w *watcher) SendReports(int, []rtcp.Packet) {}

func newCrowdShow(t *testing.T, early, frame, key int) *crowd {
	r := newRelay(t, Config{Workers: 1})
	run(t, r)
	s := &crowd{t: t, r: r, c: newCamera(t, r, "acc_1", VP8), frame: frame, key: key}
	s.shoot()
	for range early {
		s.early = append(s.early, s.join("gst_early"))
	}
	return s
}

func (s *crowd) join(subject string) *watcher {
	w := &watcher{crowd: s, joined: s.r.now(), behind: -1}
	w.sub = joinTo(s.t, s.r, subject, w, nil)
	return w
}

// shoot sends a frame: a keyframe when one was asked for, all of it at once.
func (s *crowd) shoot() {
	n, key := s.c.asked.count(), s.c.frame == 0
	if n > s.c.answered {
		s.c.answered, key = n, true
	}
	number, now, packets := byte(s.c.frame), s.r.now(), s.frame
	if key {
		s.keyAt, packets = now, s.key
	}
	s.wrote[number].Store(int64(now))
	s.calmed[number].Store(now-s.keyAt > 8*crowdFrame)
	s.c.send(packets, key)
	s.c.ts += 1800 // 40 ms in all
}

// watch runs the show for a time. Each tick so many join; who asks does so at once, and like a browser every 200 ms until
// 400 ms after its picture was there, and once more three seconds later.
func (s *crowd) watch(d time.Duration, joins int, asking bool) {
	for tick := 0; time.Duration(tick)*crowdTick < d; tick++ {
		if tick%int(crowdFrame/crowdTick) == 0 {
			s.shoot()
		}
		for range joins {
			s.late = append(s.late, s.join(fmt.Sprint("gst_", len(s.late))))
		}
		for _, w := range s.late {
			s.look(w, asking)
		}
		time.Sleep(crowdTick)
	}
}

func (s *crowd) look(w *watcher, asking bool) {
	now := s.r.now()
	age := now - w.joined
	if asking && (w.asks < 3 && age >= time.Duration(w.asks)*200*time.Millisecond || w.asks == 3 && age >= 3*time.Second) {
		w.asks++
		pli(w.sub)
	}
	if w.behind < 0 && age >= 3*time.Second {
		s.early[0].mu.Lock()
		newest := s.early[0].last
		s.early[0].mu.Unlock()
		w.mu.Lock()
		w.behind = int(newest - w.last)
		w.mu.Unlock()
	}
}

// check holds the crowd to what was promised.
func (s *crowd) check(bound time.Duration) {
	s.t.Helper()
	worst := time.Duration(0)
	for i, w := range s.early {
		w.mu.Lock()
		if worst = max(worst, w.worst); w.lost > 0 {
			s.t.Errorf("early viewer %d misses %d packets", i, w.lost)
		}
		w.mu.Unlock()
	}
	if worst > bound {
		s.t.Errorf("early viewers got a frame %v late, at most %v", worst, bound)
	}
	var pictures []time.Duration
	behind := 0
	for i, w := range s.late {
		w.mu.Lock()
		if w.lost > 0 || w.picture == 0 {
			s.t.Fatalf("joiner %d: %d gaps, picture at %v", i, w.lost, w.picture)
		}
		pictures = append(pictures, w.picture-w.joined)
		behind = max(behind, w.behind)
		w.mu.Unlock()
	}
	slices.Sort(pictures)
	p95 := pictures[len(pictures)*95/100]
	if limit := 300 * time.Millisecond; p95 > limit || time.Duration(behind)*crowdFrame > limit {
		s.t.Errorf("first picture p95 %v; %v behind after 3 s", p95, time.Duration(behind)*crowdFrame)
	}
	for _, reason := range []string{dropLag, dropOverrun, dropFeedback, dropFlood} {
		if n := dropped(s.t, s.r, reason); n != 0 {
			s.t.Errorf("%d packets dropped: %s", n, reason)
		}
	}
	for i := 1; i < len(s.c.asked.at); i++ {
		if d := s.c.asked.at[i].Sub(s.c.asked.at[i-1]); d < keyframeEvery {
			s.t.Errorf("two keyframes asked of the publisher %v apart", d)
		}
	}
	s.t.Logf("worst %v of %v, first picture p50 %v p95 %v, %d frames behind, %d keyframes asked",
		worst, bound, pictures[len(pictures)/2], p95, behind, s.c.asked.count())
}

// turnWork is what one turn may do for those who do not follow live.
const turnWork = (catchUpPackets + catchUpBurst + replyPackets + 17) * packetCost

func TestJoinersDoNotDelayThoseWhoFollowLive(t *testing.T) {
	for _, c := range []struct {
		name              string
		early, frame, key int
		joins             int // each tick
		during            time.Duration
		asking            bool
	}{
		{"a hundred at once", 50, 5, 200, 100, crowdTick, false},
		{"a hundred a second", 200, 5, 40, 1, 4 * time.Second, false},
		{"a thousand in ten seconds, all of them asking", 50, 2, 40, 1, 10 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCrowdShow(t, c.early, c.frame, c.key)
				s.watch(time.Second, 0, false)
				s.watch(c.during, c.joins, c.asking)
				s.watch(4*time.Second, 0, c.asking)
				// A turn that has just begun, and those before in the line: the early ones are first in it.
				s.check(turnWork + time.Duration(c.early*c.frame)*packetCost)
			})
		})
	}
}
