-- +goose Up

create sequence receipt_number;

-- What a buyer has bought, or is paying for. One hold has at most one order that is not cancelled.
create table orders (
    id           uuid        primary key,
    hold         uuid        not null references hold,
    show         uuid        not null,
    buyer        text        not null check (length(buyer) between 1 and 64),
    email        text        not null check (length(email) between 3 and 254),
    name         text        not null check (length(name) between 1 and 120),
    state        text        not null check (state in ('pending', 'authorised', 'confirmed', 'captured', 'fulfilled', 'settled',
                                                       'cancelled', 'refund_pending', 'refunded')),
    total_minor  bigint      not null check (total_minor >= 0),
    currency     text        not null check (length(currency) = 3),
    receipt      bigint      unique,
    version      int         not null default 1,
    created_at   timestamptz not null default now(),
    changed_at   timestamptz not null default now(),
    confirmed_at timestamptz,
    constraint orders_receipt check ((receipt is not null) = (confirmed_at is not null))
) with (fillfactor = 60);
create unique index orders_one_per_hold on orders (hold) where state <> 'cancelled';
create index orders_of_show on orders (show, created_at desc, id desc);
create index orders_of_buyer on orders (buyer, created_at desc);

create table order_line (
    order_id   uuid   not null references orders,
    place      int    not null check (place >= 0),
    variant    uuid   not null,
    product    uuid   not null,
    title      text   not null check (length(title) between 1 and 250),
    quantity   int    not null check (quantity >= 1),
    unit_minor bigint not null check (unit_minor >= 0),
    primary key (order_id, place)
);

-- One try to pay one order. The row is committed before the provider is called; its id is the idempotency
-- key and the reference of every call, so that a call can be repeated but never doubled. token is the
-- provider's one-time stand-in for a card and is forgotten as soon as the outcome is known.
create table payment (
    id             uuid        primary key,
    order_id       uuid        not null unique references orders,
    hold           uuid        not null references hold,
    provider       text        not null check (length(provider) between 1 and 32),
    state          text        not null check (state in ('intent', 'sent', 'unknown', 'authorised', 'captured', 'failed', 'voiding', 'voided')),
    amount_minor   bigint      not null check (amount_minor > 0),
    currency       text        not null check (length(currency) = 3),
    token          text        check (length(token) <= 200),
    charge         text        check (length(charge) <= 200),
    decline        text        check (length(decline) <= 64),
    captured_minor bigint      not null default 0,
    attempts       int         not null default 0,
    driven_until   timestamptz,
    next_at        timestamptz not null,
    deadline       timestamptz not null,
    created_at     timestamptz not null default now(),
    changed_at     timestamptz not null default now(),
    constraint payment_captured check (captured_minor between 0 and amount_minor and (captured_minor > 0) = (state = 'captured'))
) with (fillfactor = 60);
create index payment_due on payment (next_at) where state in ('intent', 'sent', 'unknown', 'voiding');
create index payment_hold on payment (hold);

-- +goose Down
drop table payment;
drop table order_line;
drop table orders;
drop sequence receipt_number;
