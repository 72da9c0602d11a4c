-- +goose Up

-- next_at is null as soon as a payment's outcome is known. So the index of what is due names no state, there is none of what is
-- not captured (the outbox knows that), and the last steps of a payment touch no index (heap-only updates).
drop index payment_due;
drop index payment_uncaptured;
alter table payment alter column next_at drop not null;
update payment set next_at = null where state not in ('intent', 'sent', 'unknown', 'requires_action', 'voiding');
alter table payment add constraint payment_next check (next_at is not null or state not in ('intent', 'sent', 'unknown', 'requires_action', 'voiding'));
create index payment_due on payment (next_at) where next_at is not null;

-- A payment and an order have three versions within a second, all on one page.
alter table payment set (fillfactor = 40);
alter table orders set (fillfactor = 35);

-- +goose Down
alter table orders set (fillfactor = 60);
alter table payment set (fillfactor = 60);
drop index payment_due;
alter table payment drop constraint payment_next;
update payment set next_at = now() where next_at is null;
alter table payment alter column next_at set not null;
create index payment_due on payment (next_at) where state in ('intent', 'sent', 'unknown', 'requires_action', 'voiding');
create index payment_uncaptured on payment (changed_at) where state = 'authorised';
