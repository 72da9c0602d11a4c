-- +goose Up

-- Money that is reserved and not yet taken, the oldest first: reservations run out after some days.
create index payment_uncaptured on payment (changed_at) where state = 'authorised';

-- +goose Down
drop index payment_uncaptured;
