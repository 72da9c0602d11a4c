-- +goose Up

-- The public account of each pool: its movements of units in their order, each sealed with the one before it. What is
-- hashed, and why a sealer writes this table and not the transactions that move units: commerce/chain. holds and the totals
-- (held has what is being paid in it) are what the movements make, kept so that reading a page costs no sum.
--
-- Neither pool nor movement is a foreign key: its check would write to the rows of a hot pool. Movements are never deleted.
create table unit_seal (
    pool       uuid        not null,
    n          bigint      not null check (n > 0),
    movement   bigint      not null,
    holds      int         not null check (holds >= 0),
    commitment bytea       not null check (length(commitment) = 32),
    hash       bytea       not null check (length(hash) = 32),
    available  bigint      not null,
    held       bigint      not null,
    paying     bigint      not null,
    sold       bigint      not null,
    sealed_at  timestamptz not null default now(),
    primary key (pool, n)
);
-- Its end says how far everything is sealed.
create unique index unit_seal_once on unit_seal (movement);

-- +goose StatementBegin
create function unit_seal_is_final() returns trigger language plpgsql as $$
begin
    raise exception 'sealed movements are only added to' using errcode = 'restrict_violation';
end $$;
-- +goose StatementEnd
create trigger unit_seal_final before update or delete on unit_seal for each row execute function unit_seal_is_final();
create trigger unit_seal_kept before truncate on unit_seal for each statement execute function unit_seal_is_final();

-- +goose Down
drop table unit_seal;
drop function unit_seal_is_final();
