package community

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

// What was taken back stays so. Of somebody who was silenced nothing is shown that was said before it ended. A time-out
// says its end from the beginning, so that nobody needs to be told of it when what they say is shown again. Who is not
// named any more, because very many were silenced since, stands behind a time before which nothing of anybody is shown to
// those who join.

const (
	// GoneLines is how many lines the event lines.gone names, and GoneAuthors how many people, the newest first. Those who
	// join are shown realtime.MaxRecent lines, which is less than the one and as many as the other.
	GoneLines   = 100
	GoneAuthors = 50
)

// LinesGone is the data of the event lines.gone: what of the chat is not to be shown, also to those who join.
type LinesGone struct {
	Lines   []string `json:"lines" doc:"Ids of lines that were taken back, the newest first, at most 100"`
	Authors []string `json:"authors" doc:"Subjects who are banned, the newest first: nothing of theirs is shown while they stand here. With earlier at most 50"`
	Earlier []Gone   `json:"earlier,omitempty" doc:"Who is or was timed out, or was banned, the newest first: what they say before it ends is and stays gone"`
	Before  int64    `json:"before,omitempty" doc:"Left out while everybody is named. In Unix milliseconds: to those who join, nothing is shown that was said before"`
}

// Gone is somebody of whom nothing is shown that was said before a time.
type Gone struct {
	Subject string `json:"subject"`
	Before  int64  `json:"before" doc:"By the server's clock, in Unix milliseconds; of a time-out that lasts, when it will be over"`
}

// goneQuery reads it for shows, with one person more than are named. Each kind of silence gives its newest, so that very
// many bans cost no more than a few.
const goneQuery = `select s.id, array(select line from talk_line_gone where show = s.id order by gone_at desc, line limit $2),
		coalesce(n.subjects, '{}'), coalesce(n.times, '{}'), coalesce(n.ends, '{}'), coalesce(n.banned, '{}')
	from show s cross join lateral (
		select array_agg(subject order by at desc, subject) as subjects, array_agg(ceil(extract(epoch from at) * 1000)::bigint order by at desc, subject) as times,
			array_agg(ceil(extract(epoch from greatest(at, (select until from talk_timeout t where t.show = s.id and t.subject = newest.subject))) * 1000)::bigint
				order by at desc, subject) as ends,
			array_agg(exists (select from ban b where b.creator = s.creator and b.subject = newest.subject and (b.show is null or b.show = s.id)) order by at desc, subject) as banned
		from (select subject, max(at) as at from (
				(select subject, case when until > now() then made_at else until end as at from talk_timeout where show = s.id order by at desc, subject limit $3)
				union all (select subject, created_at from ban where creator = s.creator and show = s.id order by created_at desc, subject limit $3)
				union all (select subject, created_at from ban where creator = s.creator and show is null order by created_at desc, subject limit $3)
				union all (select subject, said_before from talk_author_gone where show = s.id order by said_before desc, subject limit $3)
			) silenced group by subject order by max(at) desc, subject limit $3) newest
	) n where s.id = any($1)`

// goneEvents is what shows say of it. A show must be locked by whoever writes its event, or a newer number could carry
// an older truth.
func goneEvents(ctx context.Context, q schema.Querier, shows ...commerce.ShowID) (map[commerce.ShowID][]outbox.EventRow, error) {
	rows, err := q.Query(ctx, goneQuery, shows, GoneLines, GoneAuthors+1)
	if err != nil {
		return nil, fmt.Errorf("what is gone from %d shows: %w", len(shows), err)
	}
	events := make(map[commerce.ShowID][]outbox.EventRow, len(shows))
	var id commerce.ShowID
	var lines, subjects []string
	var times, ends []int64
	var banned []bool
	_, err = pgx.ForEachRow(rows, []any{&id, &lines, &subjects, &times, &ends, &banned}, func() error {
		gone := LinesGone{Lines: lines, Authors: []string{}}
		for i, subject := range subjects {
			switch {
			case i == GoneAuthors:
				gone.Before = times[i]
			case banned[i]:
				gone.Authors = append(gone.Authors, subject)
			default:
				gone.Earlier = append(gone.Earlier, Gone{Subject: subject, Before: ends[i]})
			}
		}
		events[id] = []outbox.EventRow{{Type: "lines.gone", Key: "talk", Class: outbox.Lossless, Data: gone}}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("what is gone from %d shows: %w", len(shows), err)
	}
	return events, nil
}

// tellGone tells the rooms of shows that the caller has locked.
func tellGone(ctx context.Context, tx pgx.Tx, shows ...commerce.ShowID) error {
	events, err := goneEvents(ctx, tx, shows...)
	if err != nil {
		return err
	}
	return outbox.Events(ctx, tx, events)
}

// bury lets nothing come back of what somebody has said in shows that the caller has locked, when a ban or a time-out
// of theirs ends.
func bury(ctx context.Context, tx pgx.Tx, shows []commerce.ShowID, subject string) error {
	_, err := tx.Exec(ctx, `insert into talk_author_gone as g (show, subject, said_before) select unnest($1::uuid[]), $2, clock_timestamp()
		on conflict (show, subject) do update set said_before = greatest(g.said_before, excluded.said_before)`, shows, subject)
	if err != nil {
		return fmt.Errorf("bury what %s said: %w", subject, err)
	}
	return forgetBuried(ctx, tx, shows)
}

// buryOver is bury for the time-outs of a show that are over, which it forgets. It says whether there were any.
func buryOver(ctx context.Context, tx pgx.Tx, id commerce.ShowID) (bool, error) {
	tag, err := tx.Exec(ctx, `with over as (delete from talk_timeout where show = $1 and until <= now() returning subject, until)
		insert into talk_author_gone as g (show, subject, said_before) select $1, subject, until from over
		on conflict (show, subject) do update set said_before = greatest(g.said_before, excluded.said_before)`, id)
	if err != nil {
		return false, fmt.Errorf("forget time-outs of %s: %w", id, err)
	}
	return tag.RowsAffected() > 0, forgetBuried(ctx, tx, []commerce.ShowID{id})
}

// forgetBuried keeps of each show those that can be named, and one more.
func forgetBuried(ctx context.Context, tx pgx.Tx, shows []commerce.ShowID) error {
	_, err := tx.Exec(ctx, `delete from talk_author_gone g using (select show, subject, row_number() over (partition by show order by said_before desc, subject) as place
			from talk_author_gone where show = any($1)) old
		where g.show = old.show and g.subject = old.subject and old.place > $2`, shows, GoneAuthors+1)
	if err != nil {
		return fmt.Errorf("forget who was buried: %w", err)
	}
	return nil
}
