-- +goose Up

-- Whoever makes holds has locked their pool, or knows it from a claim; pools are never deleted. The key would look the
-- same row up once for each of the 512 holds of a batch, which costs more than writing them (rialto verify looks instead).
alter table hold drop constraint hold_pool_fkey;

-- +goose Down
alter table hold add constraint hold_pool_fkey foreign key (pool) references pool;
