-- +goose Up

-- Whoever works on effects of one kind does not look through a crowd of another's.
drop index outbox_effect_due;
create index outbox_effect_due on outbox (kind, not_before) where lane = 'effect' and done_at is null and parked_at is null;

-- +goose Down
drop index outbox_effect_due;
create index outbox_effect_due on outbox (not_before) where lane = 'effect' and done_at is null and parked_at is null;
