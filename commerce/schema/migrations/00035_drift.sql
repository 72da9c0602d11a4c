-- +goose Up

-- What the leak detector (commerce/stock) has found to differ between Redis, a pool's row, its holds and the movements of
-- its units. One row is one finding of one pool; while it is not repaired there is no second of its kind. units is signed:
--   taken     pool.taken said so many more than the holds have
--   hold      the same, and the movements know nothing of it: hold rows were changed past their triggers
--   ledger    so many units lay in another bucket than the movements said
--   timed     pool.timed_taken said so many more than the holds have
--   gate      Redis would have let so many more units go than it may
--   oversold  holds have so many units more than there are: every one of them is kept, and nothing more is sold
-- The oldest repaired ones are deleted when there are more than the detector keeps. pool is no foreign key: its check would
-- lock the pool's row.
create table stock_drift (
    id          bigint      generated always as identity primary key,
    pool        uuid        not null,
    kind        text        not null check (kind in ('taken', 'hold', 'ledger', 'timed', 'gate', 'oversold')),
    units       bigint      not null check (units <> 0),
    detail      text        not null,
    found_at    timestamptz not null default clock_timestamp(),
    repaired_at timestamptz
);
create unique index stock_drift_open on stock_drift (pool, kind) where repaired_at is null;

-- Whose turn it is to look: the one row says when a node began to, and behind which pool the tour of all pools goes on.
create table stock_watch (
    one    bool        primary key default true check (one),
    began  timestamptz not null default 'epoch',
    behind uuid        -- null: it begins
);
insert into stock_watch default values;

-- While Redis was away units were taken past the gate's copy of this epoch: that copy is known to be old and is made anew,
-- which is no drift.
alter table pool add column past_epoch bigint not null default -1;

-- +goose Down
alter table pool drop column past_epoch;
drop table stock_watch;
drop table stock_drift;
