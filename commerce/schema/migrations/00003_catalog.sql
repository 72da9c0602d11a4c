-- +goose Up

create table product (
    id          uuid        primary key,
    owner       uuid        not null references account,
    title       text        not null check (length(title) between 1 and 120),
    description text        not null check (length(description) <= 4000),
    image       text        not null check (length(image) between 1 and 300),
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);
create index product_owner on product (owner, id);

create table variant (
    id       uuid   primary key,
    product  uuid   not null references product,
    title    text   not null check (length(title) <= 80),
    amount   bigint not null check (amount between 1 and 100000000),
    currency text   not null check (currency ~ '^[A-Z]{3}$'),
    place    int    not null check (place >= 0),
    constraint variant_place_once unique (product, place)
);

-- +goose Down
drop table variant;
drop table product;
