package schema_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// before is the migrations that are older than a version, as an installation of that time has them.
func before(t *testing.T, version string) fs.FS {
	t.Helper()
	names, err := fs.Glob(os.DirFS("migrations"), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	old := fstest.MapFS{}
	for _, name := range names {
		if name >= version {
			continue
		}
		text, err := os.ReadFile("migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		old[name] = &fstest.MapFile{Data: text}
	}
	return old
}

// A shop that has been selling gets an opening movement for what stands in each bucket, and goes on from there.
func TestUnitsOfBeforeHaveAnOpening(t *testing.T) {
	pool := schematest.Open(t, schematest.Empty(t))
	if _, err := schema.MigrateFS(t.Context(), pool, before(t, "00024"), schema.Table); err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`insert into pool (id, show, variant, on_hand, taken) select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), n, n - n / 3 from unnest('{0, 9}'::int[]) n`)
	exec(`insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at, lapses_at)
		select gen_random_uuid(), p.id, 'gst_a', 1, state, 4900, 'EUR', now(), case when state = 'held' then now() + interval '1 hour' end
		from pool p, unnest('{held,held,paying,sold,sold,sold,void,expired,released}'::text[]) state where p.on_hand = 9`)
	if _, err := schema.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	exec(`update hold set state = 'sold' where state = 'paying'`)
	rows, err := pool.Query(t.Context(), `select kind || ' ' || units || ' ' || target || ' of ' || cardinality(holds) from unit_movement order by id`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"opening 9 available of 0", "opening 2 held of 2", "opening 1 paying of 1", "opening 3 sold of 3", "sell 1 sold of 1"}
	if !slices.Equal(got, want) {
		t.Errorf("moved:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
