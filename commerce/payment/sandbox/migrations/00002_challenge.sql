-- +goose Up
alter table sandbox.charge drop constraint charge_status_check;
alter table sandbox.charge add constraint charge_status_check
    check (status in ('requires_action', 'authorised', 'captured', 'declined', 'voided'));

-- The page where the buyer confirms, by an id that nobody guesses, and where they go from there.
alter table sandbox.charge add column challenge text unique;
alter table sandbox.charge add column return_url text not null default '';

-- Where nodes want to be told.
create table sandbox.endpoint (
    url       text        primary key check (length(url) between 1 and 500),
    seen_at   timestamptz not null default now(),
    failed_at timestamptz -- since it was seen, when the last try failed
);

-- What happened to charges, written with it, and told until somebody has answered.
create table sandbox.event (
    id         text        primary key,
    charge     text        not null references sandbox.charge,
    kind       text        not null,
    body       bytea       not null, -- the same bytes at each try
    times      int         not null check (times >= 0), -- still to be delivered so often
    attempts   int         not null default 0,
    next_at    timestamptz not null,
    lost_at    timestamptz, -- given up
    created_at timestamptz not null
);
create index event_due on sandbox.event (next_at) where times > 0 and lost_at is null;

-- +goose Down
drop table sandbox.event;
drop table sandbox.endpoint;
alter table sandbox.charge drop column return_url;
alter table sandbox.charge drop column challenge;
delete from sandbox.charge where status = 'requires_action';
alter table sandbox.charge drop constraint charge_status_check;
alter table sandbox.charge add constraint charge_status_check check (status in ('authorised', 'captured', 'declined', 'voided'));
