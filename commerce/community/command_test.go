package community_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/show"
)

func TestACommandIsDoneOnce(t *testing.T) {
	w := newHall(t)
	times := 0
	once := func(call string, fails error) (did string, err error) {
		err = w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
			did, err = community.Once(ctx, tx, s.ID, w.mara.ID, call, func() (string, error) { times++; return "Done.", fails })
			return err
		})
		return did, err
	}
	refusal := errors.New("refused")
	for i, step := range []struct {
		call  string
		fails error
		times int // in all
	}{
		{"a", refusal, 1}, // what was not done is tried again
		{"a", nil, 2}, {"a", nil, 2}, {"a", refusal, 2},
		{strings.Repeat("b", 40), nil, 3}, {strings.Repeat("b", 40), nil, 3}, // realtime.MaxCallID
		{"", nil, 4}, {"", nil, 5}, // nobody can send again what has no id
	} {
		did, err := once(step.call, step.fails)
		if refused := errors.Is(err, refusal); refused != (i == 0) || !refused && did != "Done." {
			t.Errorf("step %d: %q, %v", i, did, err)
		}
		if times != step.times {
			t.Fatalf("step %d: done %d times, want %d", i, times, step.times)
		}
	}
	// After an hour the next command forgets it.
	_, err := w.pool.Exec(t.Context(), `update talk_command set done_at = done_at - interval '61 minutes' where call = 'a'`)
	w.must(err)
	_, err = once("c", nil)
	w.must(err)
	if _, done, err := community.Done(t.Context(), w.pool, w.id, w.mara.ID, "a"); err != nil || done {
		t.Errorf("after an hour: %v, %v", done, err)
	}
	if n := w.count(`select count(*) from talk_command`); n != 2 {
		t.Errorf("%d commands are kept, want 2", n)
	}
}
