package show

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/schema"
)

// PageSize is how many shows a page has.
const PageSize = 24

// Page is a part of a list. Next is "" on the last one.
type Page struct {
	Shows []Show
	Next  string
}

// list is one way to walk through shows: by a time column and the id, which together are unique.
type list struct {
	name    string
	where   string
	by      string // the time column
	upwards bool
}

var (
	// A live show whose creator left half an hour ago without ending it is no longer worth a click.
	live     = list{name: "live", by: "started_at", where: `s.state = 'live' and (s.on_air or s.off_air_at > now() - interval '30 minutes')`}
	upcoming = list{name: "upcoming", by: "starts_at", upwards: true, where: `s.state = 'scheduled' and s.starts_at > now() - interval '6 hours'`}
	ended    = list{name: "ended", by: "ended_at", where: `s.state = 'ended' and s.started_at is not null`}
	mine     = list{name: "mine", by: "created_at", where: `s.creator = $3`}
	supplied = list{name: "supplied", by: "created_at", where: `s.state <> 'ended' and
		(s.creator = $3 or exists (select from show_brand b where b.show = s.id and b.account = $3))`}
)

// ListLive lists what is on now, latest start first.
func ListLive(ctx context.Context, q schema.Querier, from string) (Page, error) {
	return live.page(ctx, q, from)
}

// ListUpcoming lists what is announced with a time, soonest first.
func ListUpcoming(ctx context.Context, q schema.Querier, from string) (Page, error) {
	return upcoming.page(ctx, q, from)
}

// ListEnded lists what was on the air once, latest end first.
func ListEnded(ctx context.Context, q schema.Querier, from string) (Page, error) {
	return ended.page(ctx, q, from)
}

// ListMine lists all shows of a creator, newest first.
func ListMine(ctx context.Context, q schema.Querier, creator commerce.AccountID, from string) (Page, error) {
	return mine.page(ctx, q, from, creator)
}

// ListSupplied lists the shows that somebody may stock and that have not ended, newest first: their own, and those
// that they are a brand of.
func ListSupplied(ctx context.Context, q schema.Querier, by commerce.AccountID, from string) (Page, error) {
	return supplied.page(ctx, q, from, by)
}

func (l list) page(ctx context.Context, q schema.Querier, from string, args ...any) (Page, error) {
	after, id, err := cursor.Read[commerce.ShowID](l.name, from)
	if err != nil {
		return Page{}, err
	}
	compare, order := "<", "desc"
	if l.upwards {
		compare, order = ">", "asc"
	}
	// One more than a page: whether there is a next page is known without another question.
	sql := fmt.Sprintf(`select %s from show s join account a on a.id = s.creator
		where %s and ($1::timestamptz is null or (s.%s, s.id) %s ($1, $2::uuid))
		order by s.%s %s, s.id %s limit %d`, columns, l.where, l.by, compare, l.by, order, order, PageSize+1)
	rows, err := q.Query(ctx, sql, append([]any{after, id}, args...)...)
	if err != nil {
		return Page{}, fmt.Errorf("list %s shows: %w", l.name, err)
	}
	shows, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Show, error) { return scan(row) })
	if err != nil {
		return Page{}, fmt.Errorf("list %s shows: %w", l.name, err)
	}
	page := Page{Shows: shows}
	if len(shows) > PageSize {
		page.Shows = shows[:PageSize]
		page.Next = l.write(page.Shows[PageSize-1])
	}
	return page, nil
}

func (l list) write(last Show) string {
	at := map[string]*time.Time{"started_at": last.StartedAt, "starts_at": last.StartsAt, "ended_at": last.EndedAt, "created_at": &last.Created}[l.by]
	return cursor.Write(l.name, *at, last.ID)
}

// Titles reads the titles of shows; unknown ones are left out.
func Titles(ctx context.Context, q schema.Querier, ids []commerce.ShowID) (map[commerce.ShowID]string, error) {
	rows, err := q.Query(ctx, `select id, title from show where id = any($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("titles of shows: %w", err)
	}
	titles := map[commerce.ShowID]string{}
	var id commerce.ShowID
	var title string
	if _, err := pgx.ForEachRow(rows, []any{&id, &title}, func() error { titles[id] = title; return nil }); err != nil {
		return nil, fmt.Errorf("titles of shows: %w", err)
	}
	return titles, nil
}
