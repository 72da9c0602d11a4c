-- +goose Up

-- An index that has the id as well is one more that orders could be looked up in by their ids, from end to end.
drop index orders_of_show;
create index orders_of_show on orders (show, created_at desc);

-- +goose Down
drop index orders_of_show;
create index orders_of_show on orders (show, created_at desc, id desc);
