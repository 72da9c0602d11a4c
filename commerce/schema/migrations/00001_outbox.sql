-- +goose Up

-- One row per show: the number of the last event it has said. The row is locked until the writer commits,
-- so numbers are given in commit order and a reader never sees a gap that fills later.
create table outbox_stream (
    key text   primary key check (length(key) between 1 and 64),
    seq bigint not null check (seq >= 0)
) with (fillfactor = 30);

-- Messages committed with the data that they speak of. Lanes:
--   event    in order by (key, seq); deleted when delivered
--   control  to every node, at once, unordered; deleted when delivered
--   effect   one call to the outside each, unordered; kept for a while when done, so that the same id
--            written again stays one effect
create table outbox (
    id          bigint      generated always as identity primary key,
    lane        text        not null check (lane in ('event', 'control', 'effect')),
    kind        text        not null check (length(kind) between 1 and 64),
    key         text,
    seq         bigint,
    ref         text        not null check (length(ref) between 1 and 200),
    payload     json        not null, -- json: passed on byte for byte, never searched
    created_at  timestamptz not null default now(),
    not_before  timestamptz not null default now(),
    attempts    int         not null default 0 check (attempts >= 0), -- tries begun
    failures    int         not null default 0 check (failures >= 0), -- tries that count towards parking
    last_error  text,
    done_at     timestamptz,
    parked_at   timestamptz,
    check ((lane = 'event') = (key is not null and seq is not null))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

-- The same external effect is one row, whoever asks for it and however often.
create unique index outbox_effect_once on outbox (kind, ref) where lane = 'effect';
create unique index outbox_event_order on outbox (key, seq) where lane = 'event' and parked_at is null;
create index outbox_control_due on outbox (not_before) where lane = 'control' and parked_at is null;
create index outbox_effect_due on outbox (not_before) where lane = 'effect' and done_at is null and parked_at is null;
create index outbox_effect_done on outbox (done_at) where done_at is not null;
create index outbox_parked on outbox (parked_at) where parked_at is not null;

-- +goose Down
drop table outbox;
drop table outbox_stream;
