-- +goose Up

-- Beside its standing offer a pool may have a timed one: another version, good in a window and for at most
-- timed_cap units (0: no cap). timed_taken is the part of taken that was held at that version; its CHECK is the last
-- judge of the cap. All versions of a pool come from offer_last, which only rises.
alter table pool
    add column offer_last      bigint not null default 1 check (offer_last between 1 and 4294967295),
    add column timed_version   bigint,
    add column timed_opens_at  timestamptz,
    add column timed_closes_at timestamptz,
    add column timed_cap       int not null default 0 check (timed_cap between 0 and 1000000),
    add column timed_taken     int not null default 0,
    add constraint pool_timed_range check (0 <= timed_taken and (timed_cap = 0 or timed_taken <= timed_cap)),
    add constraint pool_timed_whole check (case when timed_version is null
        then timed_opens_at is null and timed_closes_at is null and timed_cap = 0 and timed_taken = 0
        else timed_opens_at < timed_closes_at is true end);
update pool set offer_last = offer_version;

-- The version that a hold was taken at: when its units come back, so does its part of a timed offer's cap.
alter table hold add column offer bigint not null default 0;

-- A price for a while. A row is never changed but for over_at: when it was cancelled or replaced. version is the
-- pool's timed offer that was made for it.
create table flash (
    id         uuid        primary key,
    show       uuid        not null references show,
    variant    uuid        not null references variant,
    pool       uuid        not null references pool,
    version    bigint      not null,
    amount     bigint      not null check (amount >= 1),
    currency   text        not null check (currency ~ '^[A-Z]{3}$'),
    asked_at   timestamptz, -- the start that was asked for; null: at once
    starts_at  timestamptz not null,
    ends_at    timestamptz not null,
    cap        int         not null check (cap between 0 and 1000000),
    made_by    uuid        not null references account,
    created_at timestamptz not null default now(),
    over_at    timestamptz,
    check (starts_at < ends_at)
);
create unique index flash_version on flash (pool, version);
create index flash_show on flash (show) where over_at is null;

-- +goose Down
drop table flash;
alter table hold drop column offer;
alter table pool drop constraint pool_timed_whole, drop constraint pool_timed_range, drop column timed_taken, drop column timed_cap,
    drop column timed_closes_at, drop column timed_opens_at, drop column timed_version, drop column offer_last;
