-- +goose Up

-- While somebody asks the provider again, or got no answer, the buyer may still have to confirm: the address stays
-- until the outcome is known. return_to is where they come back to: it belongs to the call, which is repeated as it was.
alter table payment
    add column return_to text check (length(return_to) <= 2000),
    drop constraint payment_action,
    add constraint payment_action check (case state when 'requires_action' then action is not null when 'sent' then true when 'unknown' then true
                                         else action is null end);
create index payment_charge on payment (charge) where charge is not null;

-- What payment companies told us happened, once per event. A notice is only a reason to ask them, so that nothing is
-- kept of it but whom it is about. It is claimed by moving next_at behind a lease; note says what came of it.
create table payment_event (
    provider    text        not null check (length(provider) between 1 and 32),
    id          text        not null check (length(id) between 1 and 200),
    kind        text        not null check (length(kind) <= 100),
    reference   text        not null check (length(reference) <= 100),
    charge      text        not null check (length(charge) <= 200),
    received_at timestamptz not null default now(),
    attempts    int         not null default 0,
    next_at     timestamptz not null default now(),
    done_at     timestamptz,
    note        text        check (length(note) <= 200),
    primary key (provider, id),
    constraint payment_event_note check ((note is null) = (done_at is null))
) with (fillfactor = 70);
create index payment_event_due on payment_event (next_at) where done_at is null;
create index payment_event_received on payment_event (received_at);

-- +goose Down
drop table payment_event;
drop index payment_charge;
update payment set action = null where state <> 'requires_action';
alter table payment
    drop column return_to,
    drop constraint payment_action,
    add constraint payment_action check ((action is not null) = (state = 'requires_action'));
