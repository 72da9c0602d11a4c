-- +goose Up

-- The last moment at which somebody is known to have been able to buy: any node moves it on, once a second, by this
-- clock. Where it is older than gap nobody could write, and time that nobody could use does not run: what lapses is judged
-- by it instead of now() until the deadlines are moved, in the transaction that moves this row on.
create table beat (
    one  boolean     primary key default true check (one),
    at   timestamptz not null,
    gap  interval    not null check (gap > interval '0')
) with (fillfactor = 20);

-- What was made of each such time. The beat that it began with names it, so that it counts once.
create table outage (
    began_at timestamptz primary key,
    ended_at timestamptz not null,
    moved    interval    not null check (moved >= interval '0'), -- how far deadlines were moved at most
    holds    int         not null check (holds >= 0),
    payments int         not null check (payments >= 0),
    flashes  int         not null check (flashes >= 0),
    constraint outage_lasts check (began_at < ended_at and moved <= ended_at - began_at)
);

-- While the creator of a live show is off the air the clocks of its pools stand: flash prices do not end and holds do not lapse
-- after frozen_at. When they go on, both are moved by the time that they stood still.
alter table pool add column frozen_at timestamptz;
-- A flash price is what was asked for, and how far its end was moved since.
alter table flash add column moved interval not null default '0' check (moved >= interval '0');

-- Each time that a live show was off the air, named by when it went. began_at is since when the clocks stand: later, if they stood
-- still for another reason before. ended_at is when they went on, at most one cap after that as far as moved goes.
create table show_outage (
    show       uuid        not null references show,
    off_air_at timestamptz not null,
    began_at   timestamptz not null,
    ended_at   timestamptz,
    moved      interval    check (moved >= interval '0'),
    holds      int         check (holds >= 0),
    flashes    int         check (flashes >= 0),
    primary key (show, off_air_at),
    constraint show_outage_applied check ((ended_at is null) = (moved is null) and (moved is null) = (holds is null) and (moved is null) = (flashes is null))
);
create unique index show_outage_open on show_outage (show) where ended_at is null;

-- +goose Down
drop table show_outage;
alter table flash drop column moved;
alter table pool drop column frozen_at;
drop table outage;
drop table beat;
