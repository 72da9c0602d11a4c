package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/chat"
)

// ready are the speakers that are in the room.
func (t *talk) ready() (list []*talker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range t.viewers {
		if v.speaks && v.client != nil && v.client.Stats().Joined {
			list = append(list, v)
		}
	}
	return list
}

// paced calls f so often in a second, evenly, until ctx ends, with the speakers that are there in turn. Without any it
// waits.
func (t *talk) paced(ctx context.Context, perSecond int, f func(v *talker, n int)) {
	if perSecond == 0 {
		return
	}
	var speakers []*talker
	looked := time.Time{}
	next := time.Now()
	for n := 0; Rest(ctx, time.Until(next)) == nil; {
		next = next.Add(time.Second / time.Duration(perSecond))
		if time.Since(looked) > progressEvery {
			speakers, looked = t.ready(), time.Now()
		}
		if len(speakers) == 0 {
			looked, next = time.Time{}, time.Now().Add(tick)
			continue
		}
		f(speakers[n%len(speakers)], n)
		n++
	}
}

// speak says lines. Each waits for its answer on a goroutine of its own, which speak waits for.
func (t *talk) speak(ctx context.Context) {
	var waiting sync.WaitGroup
	defer waiting.Wait()
	places := make(chan struct{}, maxWaiting)
	t.paced(ctx, t.config.Lines, func(v *talker, n int) {
		select {
		case places <- struct{}{}:
		default:
			t.left.Add(1) // the server answers nobody
			return
		}
		t.said.Add(1)
		waiting.Go(func() {
			defer func() { <-places }()
			t.say(ctx, v, n)
		})
	})
}

func (t *talk) say(ctx context.Context, v *talker, n int) {
	ctx, cancel := context.WithTimeout(ctx, sayWithin)
	defer cancel()
	_, err := v.client.Call(ctx, chat.CallSay, map[string]string{"text": fmt.Sprintf("%s %d %d", t.mark, time.Since(t.began), n)})
	var refused *realtime.CallError
	switch {
	case err == nil:
		t.answered.Add(1)
	case errors.As(err, &refused):
		t.mu.Lock()
		t.refused[refused.Code]++
		t.mu.Unlock()
	default:
		t.unanswered.Add(1)
	}
}

// send sends hearts.
func (t *talk) send(ctx context.Context) {
	each := min(t.config.Hearts, heartsAtOnce)
	if each == 0 {
		return
	}
	t.paced(ctx, max(t.config.Hearts/each, 1), func(v *talker, _ int) {
		if v.client.Send(chat.CallHearts, map[string]int{"count": each}) == nil {
			t.hearts.Add(int64(each))
		}
	})
}

// hear is called by each viewer for what was said.
func (t *talk) hear(e realtime.Event) {
	if e.Type != chat.TypeLine {
		return
	}
	var line chat.Line
	var said time.Duration
	var n int
	if json.Unmarshal(e.Data, &line) != nil {
		t.strange.Add(1)
		return
	}
	if got, _ := fmt.Sscanf(line.Text, t.mark+" %d %d", &said, &n); got != 2 {
		t.strange.Add(1) // somebody else's
		return
	}
	t.heard.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ways) < maxWays {
		t.ways = append(t.ways, time.Since(t.began)-said)
	}
}

// talkStats is what has happened so far.
type talkStats struct {
	Viewers, Came, Inside        int
	Joins, Resumes, Dials        int64
	Said, Answered, Unanswered   int64
	Left, Hearts, Heard, Strange int64
	Refused, Failed              map[string]int
	Ways                         []time.Duration // sorted
}

func (t *talk) stats() talkStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := talkStats{Viewers: len(t.viewers), Came: int(t.joining.Load()), Said: t.said.Load(), Answered: t.answered.Load(), Unanswered: t.unanswered.Load(),
		Left: t.left.Load(), Hearts: t.hearts.Load(), Heard: t.heard.Load(), Strange: t.strange.Load(),
		Refused: maps.Clone(t.refused), Failed: maps.Clone(t.failed), Ways: slices.Sorted(slices.Values(t.ways))}
	for _, v := range t.viewers {
		if v.client == nil {
			continue
		}
		c := v.client.Stats()
		s.Joins += c.Snapshots
		s.Resumes += c.Resumes
		s.Dials += c.Dials
		if c.Joined {
			s.Inside++
		}
	}
	return s
}

// why is the most frequent cause of failure, for an error's end.
func (t *talk) why() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return mostFrequent(t.failed)
}

// tell prints a line a second until ctx ends.
func (t *talk) tell(ctx context.Context, out io.Writer) {
	eachSecond(ctx, func() {
		s := t.stats()
		fmt.Fprintf(out, "%d of %d inside, %d failed; %d lines said, %d refused, %d unanswered; heard %d times, p99 %d ms; %d hearts\n",
			s.Inside, s.Viewers, total(s.Failed), s.Answered, total(s.Refused), s.Unanswered, s.Heard, Percentile(s.Ways, 99).Milliseconds(), s.Hearts)
	})
}

func (s talkStats) summarize(out io.Writer, took time.Duration) {
	fmt.Fprintf(out, "\nin %.1f s\n", took.Seconds())
	fmt.Fprintf(out, "  joins         %d of %d viewers, %d resumed, in %d connections\n", s.Joins, s.Came, s.Resumes, s.Dials)
	each(out, "failed", s.Failed, ": ")
	fmt.Fprintf(out, "  lines         %d tried, %d said, %d without an answer, %d left out here\n", s.Said, s.Answered, s.Unanswered, s.Left)
	each(out, "refused", s.Refused, " with ")
	fmt.Fprintf(out, "  heard         %d times, %.1f viewers a line; %d lines of others\n", s.Heard, float64(s.Heard)/float64(max(s.Answered, 1)), s.Strange)
	fmt.Fprintf(out, "  way           p50 %d ms, p99 %d ms, from saying to hearing\n", Percentile(s.Ways, 50).Milliseconds(), Percentile(s.Ways, 99).Milliseconds())
	fmt.Fprintf(out, "  hearts        %d\n", s.Hearts)
}
