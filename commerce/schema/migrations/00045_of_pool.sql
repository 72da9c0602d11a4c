-- +goose Up

-- What a pool's holds add up to is asked for each second (the leak detector), and who has some of it whenever its copy in Redis is
-- made anew: without an index both read the holds of all times. Holds of a pool are made one after the other, so it is enough to know
-- which pages can have some; that costs a claim next to nothing.
create index hold_of_pool on hold using brin (pool) with (pages_per_range = 64, autosummarize = on);

-- +goose Down
drop index hold_of_pool;
