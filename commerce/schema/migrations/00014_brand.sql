-- +goose Up

create index product_owner_newest on product (owner, created_at desc, id desc);

-- Uploaded pictures, named by their content: the same bytes are one row, and a name never shows anything else.
create table picture (
    name       text        primary key check (name ~ '^[0-9a-f]{64}\.(png|jpg|webp)$'),
    type       text        not null check (type in ('image/png', 'image/jpeg', 'image/webp')),
    bytes      bytea       not null check (length(bytes) between 1 and 2097152),
    owner      uuid        not null references account,
    created_at timestamptz not null default now()
);
create index picture_owner on picture (owner);
alter table picture alter column bytes set storage external; -- compressed already

-- Brands that may stock a show beside its creator.
create table show_brand (
    show     uuid        not null references show,
    account  uuid        not null references account,
    added_at timestamptz not null default now(),
    primary key (show, account)
);
create index show_brand_account on show_brand (account, show);
create index show_open_by_creator on show (creator, created_at desc, id desc) where state <> 'ended';

-- Timed releases. The latest row of a variant in a show is the one that counts; opens_at null: opened by hand.
create table drops (
    id         uuid        primary key,
    place      bigint      not null generated always as identity,
    show       uuid        not null references show,
    variant    uuid        not null references variant,
    opens_at   timestamptz,
    made_by    uuid        not null references account,
    created_at timestamptz not null default now(),
    constraint drops_place_once unique (place)
);
create index drops_latest on drops (show, variant, place desc);

-- +goose Down
drop table drops;
drop index show_open_by_creator;
drop table show_brand;
drop table picture;
drop index product_owner_newest;
