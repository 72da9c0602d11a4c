-- +goose Up

-- A hold of several lines, each of another pool, is a row for each; all of them name it, and one of them has its id.
-- They stand and fall together. A hold of one line names none, and is in no index more than before.
alter table hold add column part_of uuid;
create index hold_lines on hold (part_of) where part_of is not null;

-- +goose Down
drop index hold_lines;
alter table hold drop column part_of;
