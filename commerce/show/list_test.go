package show_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

type lister func(context.Context, schema.Querier, string) (show.Page, error)

// walk reads all pages.
func (s *stage) walk(list lister) (ids []commerce.ShowID, pages int) {
	s.Helper()
	for from := ""; ; {
		page, err := list(s.Context(), s.pool, from)
		if err != nil {
			s.Fatal(err)
		}
		for _, sh := range page.Shows {
			ids = append(ids, sh.ID)
		}
		pages++
		if from = page.Next; from == "" {
			return ids, pages
		}
	}
}

func TestPagesMeetWithoutGapOrTwice(t *testing.T) {
	s := newStage(t)
	mine := func(ctx context.Context, q schema.Querier, from string) (show.Page, error) {
		return show.ListMine(ctx, q, s.mara.ID, from)
	}
	hour := time.Hour
	for n := 1; n <= 2*show.PageSize+1; n++ {
		s.show(&hour)
		if n != show.PageSize && n != show.PageSize+1 && n != 2*show.PageSize && n != 2*show.PageSize+1 {
			continue
		}
		s.exec(`update show set starts_at = date_trunc('minute', now()) + interval '1 hour'`) // all at the same time: the id decides
		for name, list := range map[string]lister{"upcoming": show.ListUpcoming, "mine": mine} {
			ids, pages := s.walk(list)
			seen := map[commerce.ShowID]bool{}
			for _, id := range ids {
				seen[id] = true
			}
			if len(ids) != n || len(seen) != n || pages != (n+show.PageSize-1)/show.PageSize {
				t.Errorf("%s of %d: %d read, %d of them different, %d pages", name, n, len(ids), len(seen), pages)
			}
		}
	}
}

func TestWhatIsInWhichList(t *testing.T) {
	s := newStage(t)
	soon, past := time.Hour, -24*time.Hour
	announced, silent, missed := s.show(&soon), s.show(nil), s.show(&past)
	on, dropped, left, over, never := s.show(&soon), s.show(nil), s.show(nil), s.show(nil), s.show(nil)
	s.exec(`update show set state = 'live', on_air = true, node = 'n', started_at = now() where id = $1`, on)
	s.exec(`update show set state = 'live', off_air_at = now() - interval '1 minute', started_at = now() - interval '1 hour' where id = $1`, dropped)
	s.exec(`update show set state = 'live', off_air_at = now() - interval '31 minutes', started_at = now() where id = $1`, left)
	s.exec(`update show set state = 'ended', started_at = now(), ended_at = now() where id = $1`, over)
	s.exec(`update show set state = 'ended', ended_at = now() where id = $1`, never)
	for name, c := range map[string]struct {
		list lister
		want []commerce.ShowID
	}{
		"live": {show.ListLive, []commerce.ShowID{on, dropped}}, "upcoming": {show.ListUpcoming, []commerce.ShowID{announced}},
		"ended": {show.ListEnded, []commerce.ShowID{over}},
		"mine": {func(ctx context.Context, q schema.Querier, from string) (show.Page, error) {
			return show.ListMine(ctx, q, s.mara.ID, from)
		}, []commerce.ShowID{never, over, left, dropped, on, missed, silent, announced}},
		"another's": {func(ctx context.Context, q schema.Querier, from string) (show.Page, error) {
			return show.ListMine(ctx, q, commerce.NewID[commerce.AccountID](), from)
		}, nil},
	} {
		ids, _ := s.walk(c.list)
		same := len(ids) == len(c.want)
		for i := range c.want {
			same = same && ids[i] == c.want[i]
		}
		if !same {
			t.Errorf("%s: %v, want %v", name, ids, c.want)
		}
	}
}

func TestForeignCursors(t *testing.T) {
	s := newStage(t)
	hour := time.Hour
	for range show.PageSize + 1 {
		s.show(&hour)
	}
	page, err := show.ListUpcoming(t.Context(), s.pool, "")
	if err != nil || page.Next == "" {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"of another list": page.Next, "cut": page.Next[:20], "not base64": "%%%", "long": page.Next + page.Next + page.Next + page.Next} {
		if _, err := show.ListLive(t.Context(), s.pool, from); !errors.Is(err, cursor.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
