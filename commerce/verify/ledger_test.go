package verify

import (
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce/chain"
	"github.com/rialto-live/rialto/commerce/stock"
)

// Whatever is changed in a public ledger, or in the movements that it is of, is found; so is what nobody seals.
func TestEachDamageToALedgerIsFound(t *testing.T) {
	w := newWorld(t, 5, func(c *stock.Config) { c.Sweep = time.Hour })
	w.exec(`with h as (insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at, lapses_at)
			select gen_random_uuid(), id, 'gst_' || n, n, 'held', 4900, 'EUR', now() + interval '1 hour', now() + interval '1 hour' from pool, generate_series(1, 2) n returning pool)
		update pool set taken = 3`)
	w.exec(`update hold set state = 'paying', lapses_at = null where quantity = 2`)
	w.exec(`update hold set state = 'sold' where state = 'paying'`)
	// A transaction of anybody, a vacuum's even, has the sealer wait: what it writes might come before.
	sealer := &chain.Sealer{Pool: w.db}
	for unsealed := 1; unsealed > 0; {
		w.must(sealer.Look(t.Context()))
		w.must(w.db.QueryRow(t.Context(), `select (select count(*) from unit_movement) - (select count(*) from unit_seal)`).Scan(&unsealed))
	}
	found := func() string {
		var out strings.Builder
		_, err := Run(t.Context(), w.db, nil, &out)
		w.must(err)
		return out.String()
	}
	const whole, sealed = "BREACH units: the public ledger", "BREACH units: each movement is sealed"
	if said := found(); strings.Contains(said, whole) || strings.Contains(said, sealed) {
		t.Fatal(said)
	}
	w.exec(`alter table unit_seal disable trigger user`)
	w.exec(`alter table unit_movement disable trigger user`)
	for damage, repair := range map[string]string{
		`update unit_movement set units = 6 where kind = 'supply'`:                                 `update unit_movement set units = 5 where kind = 'supply'`,
		`update unit_movement set kind = 'edit' where kind = 'pay'`:                                `update unit_movement set kind = 'pay' where kind = 'edit'`,
		`update unit_movement set target = 'sold' where kind = 'pay'`:                              `update unit_movement set target = 'paying' where kind = 'pay'`,
		`update unit_movement set origin = 'held' where kind = 'sell'`:                             `update unit_movement set origin = 'paying' where kind = 'sell'`,
		`update unit_movement set created_at = created_at + interval '1 microsecond'`:              `update unit_movement set created_at = created_at - interval '1 microsecond'`,
		`update unit_movement set holds = holds || gen_random_uuid() where kind = 'pay'`:           `update unit_movement set holds = holds[1:1] where kind = 'pay'`,
		`update unit_movement set pool = (select show from pool) where kind = 'sell'`:              `update unit_movement set pool = (select id from pool) where kind = 'sell'`,
		`update unit_seal set n = n + 10`:                                                          `update unit_seal set n = n - 10`,
		`update unit_seal set n = 9 where n = 5`:                                                   `update unit_seal set n = 5 where n = 9`,
		`update unit_seal set sold = 3, available = 1 where n = 5`:                                 `update unit_seal set sold = 2, available = 2 where n = 5`,
		`update unit_seal set holds = holds + 1 where n = 2`:                                       `update unit_seal set holds = holds - 1 where n = 2`,
		`update unit_seal set hash = set_byte(hash, 31, 255 - get_byte(hash, 31)) where n = 5`:     `update unit_seal set hash = set_byte(hash, 31, 255 - get_byte(hash, 31)) where n = 5`,
		`update unit_seal set commitment = set_byte(commitment, 0, 255 - get_byte(commitment, 0))`: `update unit_seal set commitment = set_byte(commitment, 0, 255 - get_byte(commitment, 0))`,
	} {
		w.exec(damage)
		if said := found(); !strings.Contains(said, whole) {
			t.Errorf("%s was not found:\n%s", damage, said)
		}
		w.exec(repair)
		if said := found(); strings.Contains(said, whole) {
			t.Fatalf("%s is not repaired by %s:\n%s", damage, repair, said)
		}
	}
	for age, late := range map[string]bool{"59 seconds": false, "61 seconds": true} {
		w.exec(`insert into unit_movement (pool, origin, target, kind, units, created_at)
			select id, 'supply', 'available', 'supply', 1, (select max(sealed_at) from unit_seal) - $1::interval from pool`, age)
		if said := found(); strings.Contains(said, sealed) != late {
			t.Errorf("not sealed for %s:\n%s", age, said)
		}
		w.exec(`delete from unit_movement where id > (select max(movement) from unit_seal)`)
	}
}
