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

// ByKey makes the rest of a batch, and of its transaction, look rows up by their keys. A plan that is made while the tables
// are small, and kept with its prepared statement, would otherwise read them from end to end when they have grown. And no
// plan is made a second time: by their keys there is only one way, where the statement joins a table with the keys that it is
// given (unnest). With "= any" of them it may read all of an index. Whoever sends the same statement elsewhere does so too: it has
// one plan on a connection, made by whoever comes first.
func ByKey(batch *pgx.Batch) {
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
