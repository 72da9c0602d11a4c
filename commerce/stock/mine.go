package stock

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/schema"
)

// MaxMine is how many live holds of one buyer are listed.
const MaxMine = 50

// ListMine lists the holds that a buyer may pay, or is paying, newest first, at most MaxMine. The limits of pools and
// addresses keep people far below it.
func ListMine(ctx context.Context, q schema.Querier, buyer string) ([]Hold, error) {
	rows, err := q.Query(ctx, holdSQL+`
		where h.buyer = $1 and (h.part_of is null or h.part_of = h.id) and (h.state = 'paying' or h.state = 'held' and h.lapses_at > `+payable+`)
		order by h.created_at desc, h.id desc limit $2`, buyer, MaxMine)
	if err != nil {
		return nil, fmt.Errorf("list holds of %s: %w", buyer, err)
	}
	holds, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Hold, error) { return scanHold(row) })
	if err != nil {
		return nil, fmt.Errorf("list holds of %s: %w", buyer, err)
	}
	all := make([]*Hold, len(holds))
	for i := range holds {
		all[i] = &holds[i]
	}
	if err := complete(ctx, q, all...); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(holds, func(h Hold) bool { return !h.State.Live() }), nil
}

// Changes counts how often the holds of each buyer were changed, their making included. Holds are never deleted, so
// the number grows with every commit that changes one of them. (A hold whose time has passed changes when it is
// swept; whoever has its deadline knows earlier.)
func Changes(ctx context.Context, q schema.Querier, buyers []string) (map[string]int64, error) {
	return schema.Counts(ctx, q, "changes of holds", `select buyer, sum(version + 1)::bigint from hold where buyer = any($1) group by buyer`, buyers)
}
