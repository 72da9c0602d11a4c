-- +goose Up

-- What the delivery of one order costs, by zone and currency; without a row nothing is sent there for this money.
create table delivery_rate (
    zone       text        not null check (zone in ('domestic', 'union', 'world')),
    currency   text        not null check (length(currency) = 3),
    amount     bigint      not null check (amount between 0 and 1000000000000), -- minor units
    changed_at timestamptz not null default now(),
    primary key (zone, currency)
);

-- The tax of a country, or of a region of it; without a row there is none. rate is in thousandths of a percent.
create table tax_rate (
    country    text        not null check (country ~ '^[A-Z]{2}$'),
    region     text        not null default '' check (region ~ '^[A-Z0-9]{0,3}$'),
    rate       int         not null check (rate between 0 and 100000),
    included   boolean     not null,
    name       text        not null check (length(name) between 1 and 40),
    changed_at timestamptz not null default now(),
    primary key (country, region)
);

-- Simple real defaults, for an operator to change.
insert into delivery_rate (zone, currency, amount)
select zone, currency, amount from (values
    ('EUR', 490, 990, 1990), ('USD', 595, 1095, 2195), ('GBP', 395, 895, 1695), ('CHF', 700, 990, 1990),
    ('SEK', 4900, 10900, 21900), ('NOK', 5900, 11900, 22900), ('DKK', 3900, 7500, 14900), ('PLN', 1500, 4200, 8500),
    ('CZK', 9900, 24900, 49900), ('RON', 2000, 4900, 9900), ('JPY', 600, 1600, 3200), ('CAD', 990, 1490, 2990),
    ('AUD', 990, 1690, 3290), ('SGD', 500, 1400, 2800), ('HKD', 4000, 8500, 17000), ('CNY', 1500, 7500, 15000),
    ('INR', 8000, 90000, 180000), ('BRL', 2500, 6000, 12000), ('MXN', 9900, 22000, 43000), ('KRW', 3500, 16000, 32000),
    ('KWD', 1500, 3500, 6500)
) as rates (currency, domestic, union_, world),
lateral (values ('domestic', domestic), ('union', union_), ('world', world)) as each (zone, amount);

-- Standard rates of VAT.
insert into tax_rate (country, rate, included, name)
select country, rate, true, 'VAT' from (values
    ('AT', 20000), ('BE', 21000), ('BG', 20000), ('CH', 8100), ('CY', 19000), ('CZ', 21000), ('DE', 19000), ('DK', 25000),
    ('EE', 24000), ('ES', 21000), ('FI', 25500), ('FR', 20000), ('GB', 20000), ('GR', 24000), ('HR', 25000), ('HU', 27000),
    ('IE', 23000), ('IM', 20000), ('IT', 22000), ('LI', 8100), ('LT', 21000), ('LU', 17000), ('LV', 21000), ('MC', 20000),
    ('MT', 18000), ('NL', 21000), ('NO', 25000), ('PL', 23000), ('PT', 23000), ('RO', 21000), ('SE', 25000), ('SI', 22000),
    ('SK', 23000)
) as standard (country, rate);

-- What the states of the US ask everywhere in them; counties and cities may add to it.
insert into tax_rate (country, region, rate, included, name)
select 'US', region, rate, false, 'Sales tax' from (values
    ('AK', 0), ('AL', 4000), ('AR', 6500), ('AZ', 5600), ('CA', 7250), ('CO', 2900), ('CT', 6350), ('DC', 6000),
    ('DE', 0), ('FL', 6000), ('GA', 4000), ('HI', 4000), ('IA', 6000), ('ID', 6000), ('IL', 6250), ('IN', 7000),
    ('KS', 6500), ('KY', 6000), ('LA', 5000), ('MA', 6250), ('MD', 6000), ('ME', 5500), ('MI', 6000), ('MN', 6875),
    ('MO', 4225), ('MS', 7000), ('MT', 0), ('NC', 4750), ('ND', 5000), ('NE', 5500), ('NH', 0), ('NJ', 6625),
    ('NM', 4875), ('NV', 6850), ('NY', 4000), ('OH', 5750), ('OK', 4500), ('OR', 0), ('PA', 6000), ('RI', 7000),
    ('SC', 6000), ('SD', 4200), ('TN', 7000), ('TX', 6250), ('UT', 6100), ('VA', 5300), ('VT', 6000), ('WA', 6500),
    ('WI', 5000), ('WV', 6000), ('WY', 4000)
) as state (region, rate);

insert into tax_rate (country, region, rate, included, name)
select 'CA', region, rate, false, name from (values
    ('AB', 5000, 'GST'), ('BC', 12000, 'GST + PST'), ('MB', 12000, 'GST + PST'), ('NB', 15000, 'HST'), ('NL', 15000, 'HST'),
    ('NS', 14000, 'HST'), ('NT', 5000, 'GST'), ('NU', 5000, 'GST'), ('ON', 13000, 'HST'), ('PE', 15000, 'HST'),
    ('QC', 14975, 'GST + QST'), ('SK', 11000, 'GST + PST'), ('YT', 5000, 'GST')
) as province (region, rate, name);

-- Where an account wants things sent.
create table account_address (
    account    uuid        primary key references account,
    name       text        not null check (length(name) between 1 and 120),
    line1      text        not null check (length(line1) between 1 and 120),
    line2      text        not null check (length(line2) <= 120),
    city       text        not null check (length(city) between 1 and 80),
    region     text        not null check (length(region) <= 3),
    postcode   text        not null check (length(postcode) <= 16),
    country    text        not null check (length(country) = 2),
    changed_at timestamptz not null default now()
);

-- What an order costs, as it was when it was made: rates that change later change nothing here. zone is null for the
-- orders of before, which had goods alone and no address.
alter table orders
    add column goods_minor    bigint check (goods_minor >= 0),
    add column delivery_minor bigint  not null default 0 check (delivery_minor >= 0),
    add column tax_minor      bigint  not null default 0 check (tax_minor >= 0),
    add column tax_rate       int     not null default 0 check (tax_rate between 0 and 100000),
    add column tax_included   boolean not null default false,
    add column tax_kind       text    not null default '' check (length(tax_kind) <= 40),
    add column tax_region     text    not null default '' check (length(tax_region) <= 6),
    add column zone           text    check (zone in ('domestic', 'union', 'world'));
update orders set goods_minor = total_minor;
alter table orders
    alter column goods_minor set not null,
    add constraint orders_total check (total_minor = goods_minor + delivery_minor + case when tax_included then 0 else tax_minor end),
    add constraint orders_tax check (tax_minor <= case when tax_included then goods_minor + delivery_minor else goods_minor end);

-- Where an order goes. It is personal: read for its buyer and for who sends the goods, and for nobody else.
create table order_delivery (
    order_id uuid primary key references orders,
    name     text not null check (length(name) between 1 and 120),
    line1    text not null check (length(line1) between 1 and 120),
    line2    text not null check (length(line2) <= 120),
    city     text not null check (length(city) between 1 and 80),
    region   text not null check (length(region) <= 3),
    postcode text not null check (length(postcode) <= 16),
    country  text not null check (length(country) = 2)
);

-- Who sends a line: the owner of its product when it was bought. created_at is the order's, for one index.
alter table order_line
    add column owner      uuid,
    add column created_at timestamptz;
update order_line l set owner = p.owner from product p where p.id = l.product;
update order_line l set created_at = o.created_at from orders o where o.id = l.order_id;
alter table order_line alter column created_at set not null, alter column created_at set default now();
create index order_line_owner on order_line (owner, created_at desc, order_id desc);

-- +goose Down
drop index order_line_owner;
alter table order_line drop column owner, drop column created_at;
drop table order_delivery;
alter table orders drop constraint orders_total, drop constraint orders_tax, drop column goods_minor, drop column delivery_minor, drop column tax_minor,
    drop column tax_rate, drop column tax_included, drop column tax_kind, drop column tax_region, drop column zone;
drop table account_address;
drop table tax_rate;
drop table delivery_rate;
