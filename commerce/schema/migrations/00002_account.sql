-- +goose Up

create table account (
    id            uuid        primary key,
    email         text        not null check (length(email) between 3 and 254 and email = lower(email)),
    name          text        not null check (length(name) between 1 and 80),
    roles         text[]      not null check (roles <@ array['creator', 'viewer', 'brand', 'operator'] and cardinality(roles) between 1 and 4),
    password_hash text        not null,
    created_at    timestamptz not null default now(),
    constraint account_email_once unique (email)
);

-- A session's secret is in the browser alone; a copy of this table opens nothing.
create table session (
    id         uuid        primary key,
    account    uuid        not null references account on delete cascade,
    token_hash bytea       not null unique check (length(token_hash) = 32),
    created_at timestamptz not null default now(),
    used_at    timestamptz not null default now(),
    expires_at timestamptz not null
);
create index session_account on session (account, created_at);
create index session_expires on session (expires_at);

-- +goose Down
drop table session;
drop table account;
