-- +goose Up

-- Units move like money. One row is one whole movement: its units leave one bucket of a pool and enter another, so it
-- sums to zero by construction, and what is in a bucket is the sum of what has moved (unit_entry). 'supply' is the
-- world outside, the only bucket that may be negative. Triggers write the rows, in the transaction and by the statement
-- that changes the pool or its holds, so that no path can forget one; a batch of holds is one row. Rows of a pool are in
-- the order in which its units moved: whoever moves units has locked the row that they come from. A tombstone (void)
-- moves nothing.
--
-- pool is no foreign key on purpose: its check would lock the pool's row for every payment of a hot variant, and
-- the trigger takes the id from a row that has one.
create table unit_movement (
    id         bigint      generated always as identity primary key,
    pool       uuid        not null,
    origin     text        not null check (origin in ('supply', 'available', 'held', 'paying', 'sold')),
    target     text        not null check (target in ('supply', 'available', 'held', 'paying', 'sold')),
    kind       text        not null check (kind in ('opening', 'supply', 'withdraw', 'hold', 'pay', 'sell', 'decline', 'release', 'expire', 'edit')),
    units      bigint      not null check (units > 0),
    holds      uuid[]      not null default '{}', -- whose units they are, in id order; empty: the pool's own
    created_at timestamptz not null default now(),
    constraint unit_movement_moves check (origin <> target)
);
-- Ids do not compress; trying would cost every batch.
alter table unit_movement alter column holds set storage external;
create index unit_movement_pool on unit_movement (pool, id);

-- +goose StatementBegin
create function unit_movement_is_final() returns trigger language plpgsql as $$
begin
    raise exception 'movements of units are only added to' using errcode = 'restrict_violation';
end $$;
-- +goose StatementEnd
create trigger unit_movement_final before update or delete on unit_movement for each row execute function unit_movement_is_final();
create trigger unit_movement_kept before truncate on unit_movement for each statement execute function unit_movement_is_final();

create view unit_entry as
    select m.id as movement, m.pool, e.bucket, e.units, m.kind, m.holds, m.created_at
    from unit_movement m cross join lateral (values (m.origin, -m.units), (m.target, m.units)) as e(bucket, units);

-- What stands now is where the story begins.
insert into unit_movement (pool, origin, target, kind, units)
    select id, 'supply', 'available', 'opening', on_hand from pool where on_hand > 0 order by id;
insert into unit_movement (pool, origin, target, kind, units, holds)
    select pool, 'available', state, 'opening', sum(quantity), array_agg(id order by id)
    from hold where state in ('held', 'paying', 'sold') group by pool, state order by pool, state;

-- +goose StatementBegin
create function pool_supplied() returns trigger language plpgsql as $$
declare
    before int := 0;
begin
    if tg_op = 'UPDATE' then
        before := old.on_hand;
    end if;
    insert into unit_movement (pool, origin, target, kind, units)
        select new.id,
            case when new.on_hand > before then 'supply' else 'available' end,
            case when new.on_hand > before then 'available' else 'supply' end,
            case when new.on_hand > before then 'supply' else 'withdraw' end,
            abs(new.on_hand - before);
    return null;
end $$;
-- +goose StatementEnd
create trigger pool_made after insert on pool for each row when (new.on_hand <> 0) execute function pool_supplied();
create trigger pool_resupplied after update of on_hand on pool for each row when (new.on_hand <> old.on_hand) execute function pool_supplied();

-- +goose StatementBegin
create function hold_made() returns trigger language plpgsql as $$
begin
    insert into unit_movement (pool, origin, target, kind, units, holds)
        select pool, 'available', state, case state when 'held' then 'hold' else 'edit' end, sum(quantity), array_agg(id order by id)
        from made where state in ('held', 'paying', 'sold') group by pool, state order by pool, state;
    return null;
end $$;
-- +goose StatementEnd
create trigger hold_made after insert on hold referencing new table as made for each statement execute function hold_made();

-- +goose StatementBegin
create function hold_bucket(state text) returns text language sql immutable strict parallel safe
    as $$ select case when state in ('held', 'paying', 'sold') then state else 'available' end $$;
-- +goose StatementEnd

-- A step that the machine of holds does not have is an 'edit': somebody's hand. The plan is made once and serves
-- one row as well as a batch, so a join in a loop is ruled out.
-- +goose StatementBegin
create function hold_moved() returns trigger language plpgsql set enable_nestloop = off as $$
begin
    insert into unit_movement (pool, origin, target, kind, units, holds)
        select pool, origin, target, kind, sum(quantity), array_agg(id order by id)
        from (
            select n.id, n.pool, n.quantity, hold_bucket(o.state) as origin, hold_bucket(n.state) as target,
                case o.state || ' ' || n.state
                    when 'held paying' then 'pay'
                    when 'paying sold' then 'sell'
                    when 'paying held' then 'decline'
                    when 'held released' then 'release'
                    when 'paying released' then 'release'
                    when 'held expired' then 'expire'
                    else 'edit' end as kind
            from was o join became n on n.id = o.id
        ) step
        where origin <> target
        group by pool, origin, target, kind order by pool, origin, target, kind;
    return null;
end $$;
-- +goose StatementEnd
create trigger hold_moved after update on hold referencing old table as was new table as became for each statement execute function hold_moved();

-- +goose Down
drop trigger hold_moved on hold;
drop trigger hold_made on hold;
drop trigger pool_resupplied on pool;
drop trigger pool_made on pool;
drop function hold_moved();
drop function hold_bucket(text);
drop function hold_made();
drop function pool_supplied();
drop view unit_entry;
drop table unit_movement;
drop function unit_movement_is_final();
