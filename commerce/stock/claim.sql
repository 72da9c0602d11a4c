-- Commits what the gate admitted. Lapsed holds of the pool are released first, then the taps are judged in
-- order, and the pool's row is changed once for all of them. A tap that is refused leaves a tombstone, so
-- that its id cannot come back while its unit is on the way back to the gate.
-- $1 pool  $2 epoch that admitted  $3 ids  $4 buyers  $5 quantities  $6 units (minor)  $7 currencies
-- $8 offer versions  $9 sources  $10 how long a hold lives  $11 holds per source
with tap as (
    select * from unnest($3::uuid[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::bigint[], $9::text[])
        with ordinality as t(id, buyer, quantity, unit, currency, offer, source, n)
),
lapsed as (
    update hold set state = 'expired', lapses_at = null, changed_at = now(), version = version + 1
    where pool = $1 and lapses_at <= now()
    returning id, buyer, quantity
),
room as (
    select on_hand - taken + (select coalesce(sum(quantity), 0) from lapsed) as free, buyer_cap, offer_version,
        coalesce(opens_at > now(), false) as early, coalesce(closes_at <= now(), false) as late
    from pool where id = $1
),
fresh as (
    select t.* from tap t where not exists (select from hold h where h.id = t.id)
),
-- What each buyer has already. Rows that lapsed a line above still look held in this statement's snapshot.
has as (
    select h.buyer, sum(h.quantity) as quantity from hold h
    where h.pool = $1 and h.buyer = any ($4) and h.state in ('held', 'paying', 'sold')
        and not exists (select from lapsed l where l.id = h.id)
    group by h.buyer
),
crowd as (
    select h.source, count(*) as holds from hold h
    where h.source = any ($9) and h.source <> '' and h.lapses_at > now()
    group by h.source
),
judged as (
    select f.*, r.free, case
        when r.late then 'closed'
        when r.early then 'not_open'
        when f.offer <> r.offer_version then 'offer'
        when r.buyer_cap > 0 and coalesce(has.quantity, 0) + sum(f.quantity) over (partition by f.buyer order by f.n) > r.buyer_cap then 'limit'
        when f.source <> '' and coalesce(crowd.holds, 0) + row_number() over (partition by f.source order by f.n) > $11 then 'limit'
        else 'fits' end as verdict
    from fresh f cross join room r
        left join has on has.buyer = f.buyer
        left join crowd on crowd.source = f.source
),
placed as (
    select j.id, j.buyer, j.quantity, j.unit, j.currency, j.source, case
        when j.verdict = 'fits' and sum(case when j.verdict = 'fits' then j.quantity else 0 end) over (order by j.n) > j.free then 'sold_out'
        else j.verdict end as verdict
    from judged j
),
inserted as (
    insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, source, expires_at, lapses_at)
    select p.id, $1, p.buyer, p.quantity, case when p.verdict = 'fits' then 'held' else 'void' end, p.unit, p.currency, p.source,
        now() + $10::interval, case when p.verdict = 'fits' then now() + $10::interval end
    from placed p order by p.id
    on conflict (id) do nothing
    returning id, state, quantity, lapses_at
),
delta as (
    select (select coalesce(sum(quantity), 0) from inserted where state = 'held') as took,
        (select coalesce(sum(quantity), 0) from lapsed) as gave
),
-- Only rows that were really inserted count, so a batch that is sent again after an unknown COMMIT takes
-- nothing twice. A batch that another epoch admitted breaks the CHECK and undoes everything.
moved as (
    update pool set taken = case when epoch = $2 then taken + (select took - gave from delta) else -1 end
    where id = $1
    returning id, show, variant, on_hand - taken as free
)
select m.id, m.show, m.variant, m.free, d.took > 0 or d.gave > 0,
    (select min(lapses_at) from inserted),
    array(select p.id from placed p join inserted i on i.id = p.id order by p.id),
    array(select p.verdict from placed p join inserted i on i.id = p.id order by p.id),
    array(select l.id from lapsed l order by l.id),
    array(select l.buyer from lapsed l order by l.id)
from moved m cross join delta d
