-- Commits what the gate admitted. Lapsed holds of the pool are released first, then the taps are judged in
-- order, and the pool's row is changed once for all of them. A tap that is refused leaves a tombstone, so
-- that its id cannot come back while its unit is on the way back to the gate.
-- $1 pool  $2 epoch that admitted  $3 ids  $4 buyers  $5 quantities  $6 units (minor)  $7 currencies
-- $8 offer versions  $9 sources  $10 how long a hold lives  $11 holds per source
-- $12 whether the gate let the tap in beside a timed offer that had too few units left for it: those units may not
-- stand here yet, so the gate is believed
with tap as (
    select * from unnest($3::uuid[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::bigint[], $9::text[], $12::bool[])
        with ordinality as t(id, buyer, quantity, unit, currency, offer, source, beside, n)
),
lapsed as (
    update hold set state = 'expired', lapses_at = null, changed_at = now(), version = version + 1
    where pool = $1 and lapses_at <= now()
    returning id, buyer, quantity, offer
),
room as (
    select on_hand - taken + (select coalesce(sum(quantity), 0) from lapsed) as free, buyer_cap, offer_version,
        coalesce(opens_at > now(), false) as early, coalesce(closes_at <= now(), false) as late,
        timed_version, coalesce(timed_opens_at <= now() and now() < timed_closes_at, false) as timed_on,
        case when timed_cap > 0 then timed_cap - timed_taken
            + (select coalesce(sum(quantity), 0) from lapsed where offer = timed_version) end as timed_free, -- null: no cap
        case when timed_cap > 0 then least(timed_cap - timed_taken, on_hand - taken) end as timed_left
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
    select f.*, r.free, case when f.offer = r.timed_version then r.timed_free end as timed_free, f.offer = r.timed_version as at_timed, case
        when r.late then 'closed'
        when r.early then 'not_open'
        when f.offer = r.timed_version and not r.timed_on then 'offer'
        when f.offer <> r.offer_version and f.offer is distinct from r.timed_version then 'offer'
        when f.offer = r.offer_version and r.timed_on and not f.beside and least(r.timed_free, r.free) >= f.quantity then 'offer'
        when r.buyer_cap > 0 and coalesce(has.quantity, 0) + sum(f.quantity) over (partition by f.buyer order by f.n) > r.buyer_cap then 'limit'
        when f.source <> '' and coalesce(crowd.holds, 0) + row_number() over (partition by f.source order by f.n) > $11 then 'limit'
        else 'fits' end as verdict
    from fresh f cross join room r
        left join has on has.buyer = f.buyer
        left join crowd on crowd.source = f.source
),
capped as (
    select j.*, case
        when j.verdict = 'fits' and sum(case when j.verdict = 'fits' and j.at_timed then j.quantity else 0 end) over (order by j.n) > j.timed_free
            then 'used_up'
        else j.verdict end as fate
    from judged j
),
placed as (
    select c.*, case
        when c.fate = 'fits' and sum(case when c.fate = 'fits' then c.quantity else 0 end) over (order by c.n) > c.free then 'sold_out'
        else c.fate end as final
    from capped c
),
inserted as (
    insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, source, offer, expires_at, lapses_at)
    select p.id, $1, p.buyer, p.quantity, case when p.final = 'fits' then 'held' else 'void' end, p.unit, p.currency, p.source, p.offer,
        now() + $10::interval, case when p.final = 'fits' then now() + $10::interval end
    from placed p order by p.id
    on conflict (id) do nothing
    returning id, state, quantity, offer, lapses_at
),
delta as (
    select (select coalesce(sum(quantity), 0) from inserted where state = 'held') as took,
        (select coalesce(sum(quantity), 0) from lapsed) as gave,
        (select coalesce(sum(i.quantity), 0) from inserted i, room r where i.state = 'held' and i.offer = r.timed_version)
            - (select coalesce(sum(l.quantity), 0) from lapsed l, room r where l.offer = r.timed_version) as timed
),
-- Only rows that were really inserted count, so a batch that is sent again after an unknown COMMIT takes
-- nothing twice. A batch that another epoch admitted breaks the CHECK and undoes everything.
moved as (
    update pool set taken = case when epoch = $2 then taken + (select took - gave from delta) else -1 end,
        timed_taken = case when epoch = $2 then timed_taken + (select timed from delta) else timed_taken end
    where id = $1
    returning id, show, variant, on_hand - taken as free,
        case when timed_cap > 0 then least(timed_cap - timed_taken, on_hand - taken) end as timed_left
)
select m.id, m.show, m.variant, m.free, m.timed_left, coalesce(m.timed_left = 0 and r.timed_left > 0, false), d.took > 0 or d.gave > 0,
    (select min(lapses_at) from inserted),
    array(select p.id from placed p join inserted i on i.id = p.id order by p.id),
    array(select p.final from placed p join inserted i on i.id = p.id order by p.id),
    array(select l.id from lapsed l order by l.id),
    array(select l.buyer from lapsed l order by l.id)
from moved m cross join delta d cross join room r
