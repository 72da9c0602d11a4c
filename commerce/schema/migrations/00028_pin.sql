-- +goose Up

-- When what is pinned was pinned, or the pin taken off, as the creator saw it: Unix milliseconds, as pages compare them.
-- 0: before there was this column.
alter table show add column pinned_at bigint not null default 0;

-- +goose Down
alter table show drop column pinned_at;
