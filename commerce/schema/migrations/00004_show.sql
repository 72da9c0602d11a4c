-- +goose Up

create table show (
    id          uuid        primary key,
    creator     uuid        not null references account,
    title       text        not null check (length(title) between 1 and 120),
    description text        not null check (length(description) <= 4000),
    starts_at   timestamptz,
    state       text        not null default 'scheduled' check (state in ('scheduled', 'live', 'ended')),
    on_air      boolean     not null default false,
    node        text        check (length(node) between 1 and 64), -- where it is published, or was last
    off_air_at  timestamptz,
    poster      text        check (length(poster) between 1 and 300),
    pin         uuid        references product,
    created_at  timestamptz not null default now(),
    started_at  timestamptz,
    ended_at    timestamptz,
    check (state <> 'ended' or (not on_air and ended_at is not null)),
    check (not on_air or state = 'live'),
    check (state <> 'live' or started_at is not null)
) with (fillfactor = 70);
create index show_live on show (started_at desc, id desc) where state = 'live';
create index show_upcoming on show (starts_at, id) where state = 'scheduled' and starts_at is not null;
create index show_ended on show (ended_at desc, id desc) where state = 'ended';
create index show_creator on show (creator, created_at desc, id desc);
create index show_pin on show (pin) where pin is not null;

-- The run sheet: what a show sells, in the creator's order.
create table show_product (
    show    uuid not null references show,
    product uuid not null references product,
    place   int  not null check (place >= 0),
    primary key (show, product),
    constraint show_product_place_once unique (show, place)
);
create index show_product_product on show_product (product);

-- One key per show. Only the hash is kept; the generation grows with each rotation, and a publish made with
-- an older one is ended.
create table stream_key (
    id         uuid        primary key,
    show       uuid        not null unique references show,
    hash       bytea       not null unique check (length(hash) = 32),
    hint       text        not null check (length(hint) between 1 and 16),
    generation int         not null check (generation >= 1),
    created_at timestamptz not null default now()
);

-- +goose Down
drop table stream_key;
drop table show_product;
drop table show;
