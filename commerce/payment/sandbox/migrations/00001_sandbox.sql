-- +goose Up
create schema sandbox;

-- What a card will do; never its number.
create table sandbox.token (
    id         text        primary key,
    behaviour  text        not null,
    used_by    text,
    created_at timestamptz not null default now()
);

create table sandbox.charge (
    id         text        primary key,
    reference  text        not null unique check (length(reference) between 1 and 200),
    token      text,
    status     text        not null check (status in ('authorised', 'captured', 'declined', 'voided')),
    amount     bigint      not null check (amount >= 0),
    currency   text        not null,
    captured   bigint      not null default 0,
    refunded   bigint      not null default 0,
    decline    text        not null default '',
    created_at timestamptz not null default now(),
    check (0 <= refunded and refunded <= captured and captured <= amount)
);

-- Captures and refunds that were done, by their key.
create table sandbox.movement (
    key        text        primary key check (length(key) between 1 and 200),
    charge     text        not null references sandbox.charge,
    kind       text        not null check (kind in ('capture', 'refund')),
    amount     bigint      not null check (amount > 0),
    created_at timestamptz not null default now()
);

-- +goose Down
drop schema sandbox cascade;
