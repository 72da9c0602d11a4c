-- +goose Up

-- The CHECK of each entry calls this. As a query it cost several times as much as a loop.
-- +goose StatementBegin
create or replace function ledger_sum(amounts bigint[]) returns numeric language plpgsql immutable strict parallel safe as $$
declare
    total  numeric := 0;
    amount bigint;
begin
    foreach amount in array amounts loop
        total := total + amount;
    end loop;
    return total;
end $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
create or replace function ledger_sum(amounts bigint[]) returns numeric language sql immutable strict parallel safe
    as 'select coalesce(sum(a), 0) from unnest(amounts) a';
-- +goose StatementEnd
