package show

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
)

// SetOnAir notes that media of a show arrives at a node, or has stopped there. The first media makes a
// scheduled show live. Going off the air counts only from the node that is on the air: after a creator has
// moved to another node, the old one's late goodbye says nothing. changed is false when it was so already.
// Media for an ended show is ErrEnded; its publish should be closed.
func SetOnAir(ctx context.Context, tx pgx.Tx, id commerce.ShowID, on bool, node string) (s Show, changed bool, err error) {
	s, err = Lock(ctx, tx, id)
	if err != nil {
		return Show{}, false, err
	}
	if s.State == Ended {
		if on {
			return s, false, ErrEnded
		}
		return s, false, nil
	}
	before := s
	if on {
		s, err = scan(tx.QueryRow(ctx, `update show s set on_air = true, node = $2, state = 'live', started_at = coalesce(s.started_at, now())
			from account a where s.id = $1 and a.id = s.creator returning `+columns, id, node))
	} else {
		var tag int64
		tag, err = execute(ctx, tx, `update show set on_air = false, off_air_at = now() where id = $1 and on_air and node = $2`, id, node)
		s.OnAir = s.OnAir && tag == 0
	}
	if err != nil {
		return Show{}, false, fmt.Errorf("on air %s: %w", id, err)
	}
	if before.OnAir == s.OnAir {
		return s, false, nil
	}
	return s, true, outbox.Event(ctx, tx, id, s.stateEvent())
}

// OffAirUnless takes off the air what is on the air at nodes that are not alive any more (killed without a
// goodbye). It says how many shows that were.
func OffAirUnless(ctx context.Context, tx pgx.Tx, alive []string) (int, error) {
	rows, err := tx.Query(ctx, `select id from show where on_air and node <> all($1::text[]) order by id for no key update skip locked`, alive)
	if err != nil {
		return 0, fmt.Errorf("find shows of dead nodes: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[commerce.ShowID])
	if err != nil {
		return 0, fmt.Errorf("find shows of dead nodes: %w", err)
	}
	if _, err := tx.Exec(ctx, `update show set on_air = false, off_air_at = now() where id = any($1)`, ids); err != nil {
		return 0, fmt.Errorf("off air: %w", err)
	}
	events := make(map[commerce.ShowID][]outbox.EventRow, len(ids))
	for _, id := range ids {
		s, err := Get(ctx, tx, id)
		if err != nil {
			return 0, err
		}
		events[id] = []outbox.EventRow{s.stateEvent()}
	}
	return len(ids), outbox.Events(ctx, tx, events)
}

// End ends a show that the caller has locked, and orders every node to close its media and its room. Ending
// it again changes nothing.
func End(ctx context.Context, tx pgx.Tx, s Show) (Show, error) {
	if s.State == Ended {
		return s, nil
	}
	ended, err := scan(tx.QueryRow(ctx, `update show s set state = 'ended', on_air = false, ended_at = now()
		from account a where s.id = $1 and a.id = s.creator returning `+columns, s.ID))
	if err != nil {
		return Show{}, fmt.Errorf("end %s: %w", s.ID, err)
	}
	// A key of an ended show opens nothing.
	if _, err := tx.Exec(ctx, `delete from stream_key where show = $1`, s.ID); err != nil {
		return Show{}, fmt.Errorf("end %s: %w", s.ID, err)
	}
	if err := outbox.Control(ctx, tx, outbox.ControlMessage{Op: outbox.OpClose, Show: s.ID.String()}); err != nil {
		return Show{}, err
	}
	return ended, outbox.Event(ctx, tx, s.ID, ended.stateEvent())
}

func execute(ctx context.Context, tx pgx.Tx, sql string, args ...any) (rows int64, err error) {
	tag, err := tx.Exec(ctx, sql, args...)
	return tag.RowsAffected(), err
}
