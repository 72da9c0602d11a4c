-- +goose Up

-- Units of one variant set aside for one show. taken = held + paying + sold; the CHECK is the last judge of
-- every sale, whatever admitted it. epoch numbers the gate's (Redis) copies of this row: a copy made before
-- the row's present epoch cannot commit anything.
create table pool (
    id            uuid        primary key,
    show          uuid        not null,
    variant       uuid        not null,
    on_hand       int         not null check (on_hand <= 1000000),
    taken         int         not null default 0,
    epoch         bigint      not null default 0 check (epoch >= 0),
    epoch_at      timestamptz not null default '-infinity',
    buyer_cap     int         not null default 0 check (buyer_cap >= 0),       -- units per buyer, 0: no limit
    offer_version bigint      not null default 1 check (offer_version between 1 and 4294967295),
    opens_at      timestamptz,
    closes_at     timestamptz,
    created_at    timestamptz not null default now(),
    constraint pool_taken_range check (0 <= taken and taken <= on_hand)
) with (fillfactor = 20);
create unique index pool_of_variant on pool (show, variant);

-- Units promised to one buyer. lapses_at is the deadline while the hold is 'held', and null otherwise: its
-- index lists exactly what can lapse. 'void' rows are tombstones: ids that must never become a hold.
-- No index has the state, so that paying -> sold stays a heap-only update.
create table hold (
    id         uuid        primary key,
    pool       uuid        not null references pool,
    buyer      text        not null check (length(buyer) between 1 and 64),
    quantity   int         not null check (quantity between 1 and 10),
    state      text        not null check (state in ('held', 'paying', 'sold', 'expired', 'released', 'void')),
    unit_minor bigint      not null check (unit_minor >= 0),
    currency   text        not null check (length(currency) = 3),
    source     text        not null default '' check (length(source) <= 64),
    version    int         not null default 1,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    expires_at timestamptz not null,
    lapses_at  timestamptz,
    constraint hold_lapses check ((state = 'held') = (lapses_at is not null))
) with (fillfactor = 45);
create index hold_by_buyer on hold (pool, buyer);
create index hold_due on hold (pool, lapses_at) where lapses_at is not null;
create index hold_by_source on hold (source) where lapses_at is not null;

-- +goose Down
drop table hold;
drop table pool;
