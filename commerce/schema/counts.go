package schema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Counts runs a query of names and numbers; what names it in errors.
func Counts(ctx context.Context, q Querier, what, sql string, args ...any) (map[string]int64, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", what, err)
	}
	var (
		name   string
		n      int64
		counts = map[string]int64{}
	)
	if _, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		counts[name] = n
		return nil
	}); err != nil {
		return nil, fmt.Errorf("count %s: %w", what, err)
	}
	return counts, nil
}
