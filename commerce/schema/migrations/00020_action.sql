-- +goose Up

-- A payment may wait for its buyer, who confirms it at their bank (3-D Secure): action is where.
alter table payment
    drop constraint payment_state_check,
    add constraint payment_state_check check (state in ('intent', 'sent', 'unknown', 'requires_action', 'authorised', 'captured', 'failed', 'voiding', 'voided')),
    add column action text check (length(action) <= 2000),
    add constraint payment_action check ((action is not null) = (state = 'requires_action'));
drop index payment_due;
create index payment_due on payment (next_at) where state in ('intent', 'sent', 'unknown', 'requires_action', 'voiding');

-- +goose Down
drop index payment_due;
create index payment_due on payment (next_at) where state in ('intent', 'sent', 'unknown', 'voiding');
alter table payment drop constraint payment_action, drop column action, drop constraint payment_state_check,
    add constraint payment_state_check check (state in ('intent', 'sent', 'unknown', 'authorised', 'captured', 'failed', 'voiding', 'voided'));
