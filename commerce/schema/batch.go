package schema

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// namesEnd ends a name in Names; no name has it.
const namesEnd = "\x1f"

// Names are texts for a statement that seldom looks at them, of many rows at once: NamesSQL takes them apart when it does, which
// costs more than to send them.
func Names(names []string) string { return strings.Join(names, namesEnd) }

// NamesSQL is a text[] of the parameter (as "$2") that Names has made.
func NamesSQL(parameter string) string {
	return `(select string_to_array(` + parameter + `, E'\x1f'))::text[]`
}

// ByKey makes the rest of a batch, and of its transaction, look rows up by keys that it is given (unnest). While a table is
// small Postgres would rather read it from end to end and compare each row with each key; and a plan that is made then is kept
// with its prepared statement while the table grows, so that the first minute of a sale is a crawl. Only a bitmap of an index
// needs a key to begin with, so nothing else is left to choose. And since there is one way, no plan is made a second time.
// Whoever sends the same statement elsewhere does so too: it has one plan on a connection, made by whoever comes first.
func ByKey(batch *pgx.Batch) {
	batch.Queue(`select set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true), set_config('enable_hashjoin', 'off', true),
		set_config('enable_mergejoin', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)`)
}

// InOrder is ByKey for a batch that takes the first rows of an index, in its order.
func InOrder(batch *pgx.Batch) {
	batch.Queue(`select set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
		set_config('enable_mergejoin', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)`)
}

// Column is one value of each row, in the form in which a statement takes them all.
func Column[R, V any](rows []R, value func(*R) V) []V {
	all := make([]V, len(rows))
	for i := range rows {
		all[i] = value(&rows[i])
	}
	return all
}
