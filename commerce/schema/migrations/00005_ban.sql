-- +goose Up

-- Somebody whom a creator does not want: in one show, or (show is null) in all of theirs. A lifted ban is
-- deleted: it has no further effect and nobody needs to be remembered for it.
create table ban (
    id         uuid        primary key,
    creator    uuid        not null references account,
    show       uuid        references show,
    subject    text        not null check (subject ~ '^(acc|gst)_[0-9a-f]{32}$'),
    reason     text        not null check (length(reason) <= 500),
    made_by    uuid        not null references account,
    created_at timestamptz not null default now(),
    constraint ban_once unique nulls not distinct (creator, subject, show)
);

-- +goose Down
drop table ban;
