-- +goose Up

-- What a transaction that is sent whole takes for granted is said in it, and ends it when it is not so (SQLSTATE RE001).
-- +goose StatementBegin
create function expect(so boolean) returns void language plpgsql as $$
begin
    if so is not true then
        raise exception 'not as expected' using errcode = 'RE001';
    end if;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function expect(boolean);
