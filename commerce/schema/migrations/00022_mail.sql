-- +goose Up

-- The mailbox of `rialto dev`: what a mail server would have been given. Only the newest are kept.
create table mail_box (
    id        uuid        primary key,
    message   text        not null unique check (length(message) between 1 and 200), -- the effect's id: sent twice is one
    recipient text        not null check (length(recipient) between 1 and 254),
    subject   text        not null check (length(subject) between 1 and 200),
    body_text text        not null,
    body_html text        not null,
    sent_at   timestamptz not null default now()
);
create index mail_box_newest on mail_box (sent_at desc, id desc);

-- +goose Down
drop table mail_box;
