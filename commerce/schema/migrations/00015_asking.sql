-- +goose Up

-- What was asked under an Idempotency-Key, and what was answered. While status is null somebody works on it
-- until claimed_until; whoever finds that time past takes the claim over. Swept a day after created_at.
create table idempotency (
    subject       text        not null check (length(subject) between 1 and 64),  -- a person, or "adr:" and an address
    key           text        not null check (length(key) between 1 and 128),
    operation     text        not null check (length(operation) between 1 and 64),
    fingerprint   bytea       not null check (length(fingerprint) = 32),           -- of the whole request
    claim         uuid        not null,                                            -- fences whoever lost theirs
    claimed_until timestamptz not null,
    status        int         check (status between 200 and 299),
    header        jsonb,
    body          bytea       check (length(body) <= 65536),
    created_at    timestamptz not null default now(),
    primary key (subject, key),
    constraint idempotency_answer check ((status is null) = (header is null) and (status is null) = (body is null))
) with (fillfactor = 70);
create index idempotency_created on idempotency (created_at);

-- A person's holds are read too, not only those of one pool.
drop index hold_by_buyer;
create index hold_by_buyer on hold (buyer, pool);

-- +goose Down
drop index hold_by_buyer;
create index hold_by_buyer on hold (pool, buyer);
drop table idempotency;
