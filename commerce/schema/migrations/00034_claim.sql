-- +goose Up

-- What a claim writes and looks up it does for each of its hundreds of holds.

-- Where a tap came from is compared, and nothing else: a number that stands for it (stock.keyOf) is a quarter as long, in the
-- row and in its index, and says nothing about anybody. Holds that are open now count for no address, for their few minutes.
drop index hold_by_source;
alter table hold drop column source;
alter table hold add column source bigint;
create index hold_by_source on hold (source) where lapses_at is not null and source is not null;

-- Nobody reads buyers in the order of a language: their bytes are compared.
drop index hold_by_buyer;
alter table hold alter column buyer type text collate "C";
create index hold_by_buyer on hold (buyer);

-- The deadlines of a batch are the latest there are: they go to the end of the index, whatever their pool. The sweeper reads
-- its beginning.
drop index hold_due;
create index hold_due on hold (lapses_at, pool) where lapses_at is not null;

-- The question that nearly always ends it comes first.
drop trigger hold_made on hold;
create trigger hold_made after insert on hold for each row
    when (current_setting('stock.movement', true) is distinct from 'written' and new.state in ('held', 'paying', 'sold'))
    execute function hold_made();

-- +goose Down
drop trigger hold_made on hold;
create trigger hold_made after insert on hold for each row
    when (new.state in ('held', 'paying', 'sold') and current_setting('stock.movement', true) is distinct from 'written')
    execute function hold_made();
drop index hold_due;
create index hold_due on hold (pool, lapses_at) where lapses_at is not null;
drop index hold_by_buyer;
alter table hold alter column buyer type text collate "default";
create index hold_by_buyer on hold (buyer, pool);
drop index hold_by_source;
alter table hold drop column source;
alter table hold add column source text not null default '' check (length(source) <= 64);
create index hold_by_source on hold (source) where lapses_at is not null;
