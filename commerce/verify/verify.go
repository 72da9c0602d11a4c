package verify

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

// MaxShown is how many breaches of one invariant are printed; all are counted.
const MaxShown = 5

// invariant is something that must have no breach. Each row of its query is one, as a text.
type invariant struct {
	name  string
	query string
}

var invariants = []invariant{
	{"units: taken = held + paying + sold in each pool", `
		select 'pool ' || p.id || ': taken ' || p.taken || ', holds have ' || coalesce(sum(h.quantity), 0)
		from pool p left join hold h on h.pool = p.id and h.state in ('held', 'paying', 'sold')
		group by p.id having p.taken <> coalesce(sum(h.quantity), 0)`},
	{"units: available + held + paying + sold = on hand in each pool", `
		select 'pool ' || id || ': ' || taken || ' taken of ' || on_hand from pool where not (0 <= taken and taken <= on_hand)`},
	{"units: balances of the movements = available, held, paying and sold of each pool, and nothing is negative", `
		with stands as (
			select id as pool, 'supply' as bucket, -on_hand as units from pool
			union all select id, 'available', on_hand - taken from pool
			union all select pool, state, sum(quantity) from hold where state in ('held', 'paying', 'sold') group by pool, state
		),
		makes as (select pool, bucket, sum(units) as units from unit_entry group by pool, bucket)
		select 'pool ' || pool || ': ' || bucket || ' is ' || coalesce(s.units, 0) || ', its movements make ' || coalesce(m.units, 0)
		from stands s full join makes m using (pool, bucket)
		where coalesce(s.units, 0) <> coalesce(m.units, 0) or bucket <> 'supply' and m.units < 0`},
	{"units: no drift that the leak detector has found is left", `
		select 'pool ' || pool || ': ' || kind || ' by ' || units || ' since ' || found_at || ': ' || detail from stock_drift where repaired_at is null order by id`},
	{"units: each hold is of a pool that there is", `
		select 'hold ' || h.id || ' is of pool ' || h.pool from hold h where not exists (select from pool p where p.id = h.pool)`},
	{"units: the public ledger of each pool is whole: numbered, sealed with the row before and with what has moved, and its totals are the sums", `
		with row as (
			select s.pool as ledger, s.n, s.holds as count, s.commitment, s.hash, s.available, s.held, s.paying, s.sold, m.*,
				row_number() over own as place, lag(s.hash, 1, decode(repeat('00', 32), 'hex')) over own as before, lag(s.movement, 1, 0::bigint) over own as last,
				sum(m.units * ((target = 'available')::int - (origin = 'available')::int)) over own as sum_available,
				sum(m.units * ((target in ('held', 'paying'))::int - (origin in ('held', 'paying'))::int)) over own as sum_held,
				sum(m.units * ((target = 'paying')::int - (origin = 'paying')::int)) over own as sum_paying,
				sum(m.units * ((target = 'sold')::int - (origin = 'sold')::int)) over own as sum_sold
			from unit_seal s left join unit_movement m on m.id = s.movement
			window own as (partition by s.pool order by s.n)
		)
		select 'pool ' || ledger || ': row ' || n || ' of its ledger, of movement ' || coalesce(id::text, 'none')
		from row cross join lateral (
			select coalesce(string_agg(h || e'\n', '' order by h collate "C"), '') as lines
			from (select encode(sha256(convert_to('hld_' || replace(hold::text, '-', ''), 'UTF8')), 'hex') as h from unnest(holds) as hold) hashed
		) own
		where (n, pool, count, commitment, hash, available, held, paying, sold) is distinct from (place, ledger, cardinality(holds), sha256(convert_to(lines, 'UTF8')),
				sha256(convert_to(concat_ws(' ', 'rialto-chain-1', encode(before, 'hex'), 'pol_' || replace(ledger::text, '-', ''), n,
					to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), kind, origin, target, units, count, encode(commitment, 'hex')), 'UTF8')),
				sum_available, sum_held, sum_paying, sum_sold)
			or id <= last`},
	{"units: each movement is sealed in the public ledger within a minute in which a node runs", `
		select 'pool ' || m.pool || ': movement ' || m.id || ' of ' || m.created_at
		from unit_movement m left join unit_seal s on s.movement = m.id
		where s.movement is null and m.created_at < (select greatest((select max(created_at) from unit_movement), (select max(sealed_at) from unit_seal))) - interval '1 minute'
		order by m.id`},
	{"units: no buyer is over their limit", `
		select 'pool ' || p.id || ': ' || h.buyer || ' has ' || sum(h.quantity) || ' of ' || p.buyer_cap
		from pool p join hold h on h.pool = p.id and h.state in ('held', 'paying', 'sold')
		where p.buyer_cap > 0 group by p.id, h.buyer having sum(h.quantity) > p.buyer_cap`},
	{"units: taken at a timed offer = held + paying + sold at its version, within its cap", `
		select 'pool ' || p.id || ': ' || p.timed_taken || ' of ' || p.timed_cap || ' taken, holds have ' || coalesce(sum(h.quantity), 0)
		from pool p left join hold h on h.pool = p.id and h.offer = p.timed_version and h.state in ('held', 'paying', 'sold')
		group by p.id having p.timed_taken <> coalesce(sum(h.quantity), 0) or p.timed_cap > 0 and p.timed_taken > p.timed_cap`},
	{"prices: no flash price has sold more than its cap, to anybody at another price, or outside of its time", `
		select 'flash price ' || f.id || ' of ' || f.amount || ' for ' || f.cap || ': ' || sum(h.quantity) || ' at ' || min(h.unit_minor) || ' to ' ||
			max(h.unit_minor) || ', from ' || min(h.created_at) || ' to ' || max(h.created_at)
		from flash f join pool p on p.id = f.pool join hold h on h.pool = f.pool and h.offer = f.version and h.state in ('held', 'paying', 'sold')
		group by f.id having f.cap > 0 and sum(h.quantity) > f.cap or bool_or(h.unit_minor <> f.amount or h.currency <> f.currency
			or h.created_at < f.starts_at or h.created_at >= f.ends_at + f.moved
				and (p.timed_version = f.version and p.frozen_at < f.ends_at + f.moved) is not true)`},
	{"outages: each is counted once, and moved nothing by more than it lasted", `
		select 'outage from ' || began_at || ' to ' || ended_at || ', after one to ' || before
		from (select *, lag(ended_at) over (order by began_at) as before from outage) o where before > began_at
		union all
		select 'show ' || show || ' off the air at ' || off_air_at || ', clocks stood from ' || began_at || ' to ' || coalesce(ended_at::text, 'now') || ', after ' || coalesce(before::text, 'none')
		from (select *, lag(ended_at) over (partition by show order by began_at) as before from show_outage) o
		where before > began_at or began_at < off_air_at or moved > ended_at - began_at`},
	{"outages: clocks stand where a show is off the air and not longer", `
		select 'pool ' || p.id || ' stands since ' || p.frozen_at || ', its show since ' || coalesce(o.began_at::text, 'never')
		from pool p left join show_outage o on o.show = p.show and o.ended_at is null
		where p.frozen_at is distinct from o.began_at and p.frozen_at is not null`},
	{"orders: none without a hold of the same buyer, units and price", `
		select 'order ' || o.id || ' and hold ' || o.hold
		from orders o join hold h on h.id = o.hold left join (
			select part_of, sum(quantity * unit_minor) as goods, count(distinct (buyer, currency)) as kinds from hold where part_of is not null group by part_of
		) l on l.part_of = h.id
		where o.buyer <> h.buyer or o.goods_minor <> coalesce(l.goods, h.quantity * h.unit_minor) or o.currency <> h.currency or l.kinds > 1`},
	{"orders: the lines of a hold are paid and sold together", `
		select 'hold ' || part_of || ': ' || string_agg(distinct state, ', ') from hold where part_of is not null
		group by part_of having count(distinct state) > 1 and bool_or(state in ('paying', 'sold')) or not bool_or(id = part_of)`},
	{"orders: each is of a hold that there is, and each line, address and payment of an order", `
		select 'order ' || o.id || ' is of hold ' || o.hold from orders o where not exists (select from hold h where h.id = o.hold)
		union all select 'a line of order ' || l.order_id from order_line l where not exists (select from orders o where o.id = l.order_id)
		union all select 'an address of order ' || d.order_id from order_delivery d where not exists (select from orders o where o.id = d.order_id)
		union all select 'payment ' || p.id || ' of order ' || p.order_id || ' and hold ' || p.hold
		from payment p where not exists (select from orders o where o.id = p.order_id and o.hold = p.hold)`},
	{"orders: no receipt number is given twice", `
		select 'receipt ' || receipt || ': ' || count(*) || ' orders' from orders where receipt is not null group by receipt having count(*) > 1`},
	{"orders: the total is the sum of lines, delivery and added tax", `
		select 'order ' || o.id || ': ' || o.total_minor || ' for goods of ' || o.goods_minor || ', lines ' || coalesce(sum(l.quantity * l.unit_minor), 0)
		from orders o left join order_line l on l.order_id = o.id
		group by o.id having o.goods_minor <> coalesce(sum(l.quantity * l.unit_minor), 0)
			or o.total_minor <> o.goods_minor + o.delivery_minor + case when o.tax_included then 0 else o.tax_minor end`},
	{"orders: the tax is what its rate says, to half a minor unit", `
		select 'order ' || id || ': ' || tax_minor || ' of ' || base || ' at ' || tax_rate
		from (select id, tax_minor, tax_rate, case when tax_included then total_minor else goods_minor end as base,
			case when tax_included then 100000 + tax_rate else 100000 end as whole from orders) o
		where 2 * abs(tax_minor::numeric * whole - base::numeric * tax_rate) > whole`},
	{"orders: each has an address, but those of before", `
		select 'order ' || o.id || ' to zone ' || coalesce(o.zone, 'none') || ' goes to ' || coalesce(d.country, 'nowhere')
		from orders o left join order_delivery d on d.order_id = o.id where (o.zone is null) <> (d.order_id is null)`},
	{"orders: a confirmed one has sold units, and sold units have one", `
		select 'hold ' || coalesce(h.id::text, 'of order ' || o.id) || ' is ' || coalesce(h.state, 'missing') || ', its order is ' || coalesce(o.state, 'missing')
		from hold h full join (select * from orders where state <> 'cancelled') o on o.hold = coalesce(h.part_of, h.id)
		where (h.state = 'sold') is distinct from (o.state in ('confirmed', 'captured', 'fulfilled', 'settled', 'refund_pending', 'refunded'))
			and (h.state = 'sold' or o.id is not null)`},
	{"orders: what is being paid has a payment that is open", `
		select 'hold ' || h.id || ' is paying, its payment is ' || coalesce(p.state, 'missing')
		from hold h left join orders o on o.hold = coalesce(h.part_of, h.id) and o.state = 'pending' left join payment p on p.order_id = o.id
		where h.state = 'paying' and coalesce(p.state, '') not in ('intent', 'sent', 'unknown', 'requires_action', 'voiding')`},
	{"money: what is charged for an order is its total", `
		select 'payment ' || p.id || ' of ' || p.amount_minor || ' ' || p.currency || ', order ' || o.id || ' of ' || o.total_minor || ' ' || o.currency
		from payment p join orders o on o.id = p.order_id where p.amount_minor <> o.total_minor or p.currency <> o.currency`},
	{"money: every captured cent belongs to one order, and no order is captured beyond its total", `
		select 'payment ' || p.id || ': captured ' || p.captured_minor || ', order ' || o.id || ' of ' || o.total_minor || ' is ' || o.state
		from payment p join orders o on o.id = p.order_id
		where p.captured_minor > 0 and (p.captured_minor <> o.total_minor or p.currency <> o.currency
				or o.state not in ('captured', 'fulfilled', 'settled', 'refund_pending', 'refunded'))
			or p.captured_minor = 0 and o.state in ('captured', 'fulfilled', 'settled')`},
	{"money: the ledger sums to zero, per transaction and in all", `
		select 'transaction ' || ref || ': off by ' || ledger_sum(amounts) from ledger_transaction where ledger_sum(amounts) <> 0
		union all
		select 'all of ' || currency || ': off by ' || sum(amount) from ledger_entry group by currency having sum(amount) <> 0`},
	{"money: each confirmed order stands in the ledger with its total", `
		select 'order ' || o.id || ' of ' || o.total_minor || ': the ledger has ' || coalesce(sum(e.amount) filter (where e.amount > 0), 0)
		from orders o left join ledger_entry e on e.ref = 'sale:ord_' || replace(o.id::text, '-', '') and e.currency = o.currency
		where o.confirmed_at is not null and o.state <> 'cancelled'
		group by o.id having o.total_minor <> coalesce(sum(e.amount) filter (where e.amount > 0), 0)`},
	{"money: the tax accounts hold what the orders owe", `
		select 'tax of ' || region || ' in ' || currency || ': orders owe ' || coalesce(owed, 0) || ', the ledger has ' || coalesce(held, 0)
		from (select tax_region as region, currency, sum(tax_minor) as owed from orders
			where confirmed_at is not null and state <> 'cancelled' and tax_minor > 0 group by 1, 2) o
		full join (select substr(account, 5, length(account) - 12) as region, currency, -sum(amount) as held from ledger_entry
			where account like 'tax:%:payable' group by 1, 2) l using (region, currency)
		where coalesce(owed, 0) <> coalesce(held, 0)`},
	{"polls: a closed one stands as its votes make it", `
		select 'poll ' || p.id || ': ' || p.told::text || ', its votes make ' || n.counts::text
		from poll p cross join lateral (select array_agg((select count(*)::int from poll_vote v where v.poll = p.id and v.choice = c) order by c) as counts
			from generate_series(0, cardinality(p.choices) - 1) c) n
		where p.state = 'closed' and p.told <> n.counts`},
	{"questions: askers and votes are people, each once", `
		select 'question ' || q.id || ': ' || q.askers || ' askers and ' || q.votes || ' votes, its voices make ' || n.askers || ' and ' || n.votes
		from question q cross join lateral (select count(*) filter (where asked) as askers, count(*) filter (where voted) as votes
			from question_voice v where v.question = q.id) n
		where q.state <> 'gone' and (q.askers <> n.askers or q.votes <> n.votes)`},
	{"questions: each show knows how many are open and answered", `
		select 'show ' || t.show || ': ' || t.open || ' open and ' || t.answered || ' answered, its questions make ' || n.open || ' and ' || n.answered
		from talk t cross join lateral (select count(*) filter (where state = 'open') as open, count(*) filter (where state = 'answered') as answered
			from question q where q.show = t.show) n
		where t.open <> n.open or t.answered <> n.answered`},
	{"money: no card and no token is kept once a payment's outcome is known", `
		select 'payment ' || id || ' is ' || state from payment where token is not null and state not in ('intent', 'sent', 'unknown')`},
}

// Redis is what Run compares the pools with; *stock.Service is one.
type Redis interface {
	ReadCopy(ctx context.Context, pool commerce.PoolID, epoch int64) (stock.Copy, error)
}

// Run checks everything, prints a line per invariant to w, and answers how many breaches there are. redis may
// be nil. err means that it could not be found out.
func Run(ctx context.Context, pool *pgxpool.Pool, redis Redis, w io.Writer) (breaches int, err error) {
	err = schema.Snapshot(ctx, pool, func(ctx context.Context, q schema.Querier, _ time.Time) error {
		for _, i := range invariants {
			n, err := i.check(ctx, q, w)
			if err != nil {
				return err
			}
			breaches += n
		}
		return nil
	})
	if err != nil || redis == nil {
		return breaches, err
	}
	n, err := gate(ctx, pool, redis, w)
	return breaches + n, err
}

func (i invariant) check(ctx context.Context, q schema.Querier, w io.Writer) (int, error) {
	rows, err := q.Query(ctx, i.query)
	if err != nil {
		return 0, fmt.Errorf("verify %q: %w", i.name, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, fmt.Errorf("verify %q: %w", i.name, err)
	}
	return len(found), report(w, i.name, found)
}

func report(w io.Writer, name string, found []string) error {
	verdict := "ok   "
	if len(found) > 0 {
		verdict = "BREACH"
	}
	if _, err := fmt.Fprintf(w, "%-6s %s\n", verdict, name); err != nil {
		return err
	}
	for n, line := range found {
		if n == MaxShown {
			_, err := fmt.Fprintf(w, "       and %d more\n", len(found)-MaxShown)
			return err
		}
		if _, err := fmt.Fprintf(w, "       %s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// Looks and pause of the comparison with Redis: a tap under way may differ for a moment, a leak stays.
const (
	looks = 5
	pause = 200 * time.Millisecond
)

// gate compares what Redis would admit with what Postgres has.
func gate(ctx context.Context, pool *pgxpool.Pool, redis Redis, w io.Writer) (int, error) {
	var found []string
	for look := range looks {
		if look > 0 {
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				timer.Stop()
				return 0, context.Cause(ctx)
			case <-timer.C:
			}
		}
		var err error
		if found, err = differences(ctx, pool, redis); err != nil {
			return 0, err
		}
		if len(found) == 0 {
			break
		}
	}
	return len(found), report(w, "gate: Redis has no more free units than Postgres once quiet", found)
}

func differences(ctx context.Context, pool *pgxpool.Pool, redis Redis) ([]string, error) {
	rows, err := pool.Query(ctx, `
		select id, epoch, on_hand - taken, case when timed_cap > 0 then timed_cap - timed_taken else -1 end from pool where epoch > 0 order by id`)
	if err != nil {
		return nil, fmt.Errorf("verify the gate: %w", err)
	}
	type truth struct {
		ID    commerce.PoolID
		Epoch int64
		Free  int
		Timed int
	}
	pools, err := pgx.CollectRows(rows, pgx.RowToStructByPos[truth])
	if err != nil {
		return nil, fmt.Errorf("verify the gate: %w", err)
	}
	var found []string
	for _, p := range pools {
		c, err := redis.ReadCopy(ctx, p.ID, p.Epoch)
		if err != nil {
			return nil, fmt.Errorf("verify the gate: %w", err)
		}
		if c.Loaded && (c.Free > p.Free || c.TimedFree > p.Timed) {
			found = append(found, fmt.Sprintf("pool %s: Redis has %d free, Postgres %d; of the timed offer %d and %d (-1: no cap)",
				p.ID, c.Free, p.Free, c.TimedFree, p.Timed))
		}
	}
	return found, nil
}
