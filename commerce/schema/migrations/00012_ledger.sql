-- +goose Up

-- +goose StatementBegin
create function ledger_sum(amounts bigint[]) returns numeric language sql immutable strict parallel safe
    as 'select coalesce(sum(a), 0) from unnest(amounts) a';
-- +goose StatementEnd

-- One row is one whole transaction: all of its sides, or none. The CHECK makes it sum to zero; the trigger
-- makes it final.
create table ledger_transaction (
    id         bigint      generated always as identity primary key,
    ref        text        not null unique check (length(ref) between 1 and 200),
    kind       text        not null check (length(kind) between 1 and 32),
    currency   text        not null check (length(currency) = 3),
    accounts   text[]      not null,
    amounts    bigint[]    not null,
    created_at timestamptz not null default now(),
    constraint ledger_balanced check (ledger_sum(amounts) = 0),
    constraint ledger_sides check (cardinality(accounts) = cardinality(amounts) and cardinality(accounts) between 2 and 32),
    constraint ledger_no_zero_side check (array_position(amounts, 0) is null and array_position(amounts, null) is null and array_position(accounts, null) is null)
);
create index ledger_by_account on ledger_transaction using gin (accounts);

-- +goose StatementBegin
create function ledger_is_final() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is only added to' using errcode = 'restrict_violation';
end $$;
-- +goose StatementEnd
create trigger ledger_final before update or delete on ledger_transaction for each row execute function ledger_is_final();
create trigger ledger_kept before truncate on ledger_transaction for each statement execute function ledger_is_final();

create view ledger_entry as
    select t.id as transaction, t.ref, t.kind, t.currency, e.account, e.amount, t.created_at
    from ledger_transaction t cross join lateral unnest(t.accounts, t.amounts) as e(account, amount);

-- +goose Down
drop view ledger_entry;
drop table ledger_transaction;
drop function ledger_is_final();
drop function ledger_sum(bigint[]);
