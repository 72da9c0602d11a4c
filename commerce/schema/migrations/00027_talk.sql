-- +goose Up

-- Who keeps order in a show beside its creator.
create table show_moderator (
    show     uuid        not null references show,
    account  uuid        not null references account,
    added_at timestamptz not null default now(),
    primary key (show, account)
);
create index show_moderator_account on show_moderator (account, show);

-- The rules of the talk in a show, and how many questions stand in it. There is a row once something was said of
-- either; whoever asks something locks it, so that asking never waits for the creator, who locks the show.
-- announced_at without a text: it was taken off then.
create table talk (
    show         uuid        primary key references show,
    slow_seconds int         not null default 0 check (slow_seconds between 0 and 600),
    announcement text        check (length(announcement) between 1 and 200),
    announced_by text        not null default '' check (length(announced_by) <= 100),
    announced_at timestamptz,
    questions    int         not null default 0 check (questions >= 0),      -- ever asked
    open         int         not null default 0 check (open >= 0),
    answered     int         not null default 0 check (answered >= 0),
    constraint talk_announced check (announcement is null or announced_at is not null)
) with (fillfactor = 50);

-- Who may not speak in a show until a time. Rows whose time is over are swept.
create table talk_timeout (
    show    uuid        not null references show,
    subject text        not null check (subject ~ '^(acc|gst)_[0-9a-f]{32}$'),
    name    text        not null check (length(name) <= 100),
    seconds int         not null check (seconds between 10 and 86400),
    reason  text        not null check (length(reason) <= 500),
    until   timestamptz not null,
    made_by uuid        not null references account,
    made_at timestamptz not null,
    primary key (show, subject)
);
create index talk_timeout_until on talk_timeout (until);

-- Lines that were taken back. What they said stands in the audit log.
create table talk_line_gone (
    show    uuid        not null references show,
    line    text        not null check (line ~ '^lin_[0-9a-f]{32}$'),
    gone_at timestamptz not null default now(),
    primary key (show, line)
);
create index talk_line_gone_newest on talk_line_gone (show, gone_at desc, line);

-- Who was silenced in a show and is so no more: what they said before that ended stays gone.
create table talk_author_gone (
    show        uuid        not null references show,
    subject     text        not null check (subject ~ '^(acc|gst)_[0-9a-f]{32}$'),
    said_before timestamptz not null,
    primary key (show, subject)
);

alter table ban add column name text not null default '' check (length(name) <= 100);
create index ban_newest on ban (creator, created_at desc, id desc);
create index ban_show on ban (show, created_at desc, subject);

-- What commands of the chat box did, by the ids of their calls: one that is sent again is not done again.
create table talk_command (
    show    uuid        not null references show,
    made_by uuid        not null references account,
    call    text        not null check (length(call) between 1 and 40),
    did     text        not null check (length(did) <= 2000),
    done_at timestamptz not null default now(),
    primary key (show, made_by, call)
);

-- What creators, moderators and operators have done in the talk of a show, with what they saw. Rows are only added.
create table talk_audit (
    id         uuid        primary key,
    show       uuid        not null references show,
    at         timestamptz not null default now(),
    by_account uuid        not null references account,
    by_name    text        not null check (length(by_name) <= 100),
    action     text        not null check (length(action) between 1 and 40),
    subject    text        not null check (length(subject) <= 64),  -- whom it was done to; '' when nobody
    name       text        not null check (length(name) <= 100),
    detail     text        not null check (length(detail) <= 2000)
);
create index talk_audit_newest on talk_audit (show, at desc, id desc);

-- +goose StatementBegin
create function talk_audit_is_final() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is only added to' using errcode = 'restrict_violation';
end $$;
-- +goose StatementEnd
create trigger talk_audit_final before update or delete on talk_audit for each row execute function talk_audit_is_final();
create trigger talk_audit_kept before truncate on talk_audit for each statement execute function talk_audit_is_final();

-- What people ask. Asking in the words of an open question joins it: the row is 'merged' from the start, and says into
-- which, so that the same request again finds it. A merged question's target is never merged itself.
create table question (
    id          uuid        primary key,
    show        uuid        not null references show,
    text        text        not null check (length(text) between 3 and 200),
    words       text        not null check (length(words) between 1 and 800),  -- by which the same question is known
    asked_by    text        not null check (asked_by ~ '^(acc|gst)_[0-9a-f]{32}$'),
    name        text        not null check (length(name) between 1 and 100),
    state       text        not null check (state in ('open', 'answered', 'merged', 'gone')),
    target      uuid        references question,
    answer      text        check (length(answer) between 1 and 500),
    askers      int         not null default 0 check (askers >= 0),
    votes       int         not null default 0 check (votes >= 0),
    asked_at    timestamptz not null default now(),
    answered_at timestamptz,
    constraint question_target check ((state = 'merged') = (target is not null) and target <> id),
    constraint question_answered check ((state = 'answered') = (answered_at is not null) and (answer is null or state = 'answered'))
) with (fillfactor = 70);
create unique index question_open_once on question (show, words) where state = 'open';
create index question_open on question (show, votes desc, id) where state = 'open';
create index question_answered on question (show, answered_at desc, id desc) where state = 'answered';
create index question_asked_by on question (show, asked_by) where state = 'open';
create index question_target on question (target) where target is not null;

-- Who asked a question and who votes for it: everybody once, in both ways.
create table question_voice (
    question uuid    not null references question,
    subject  text    not null check (subject ~ '^(acc|gst)_[0-9a-f]{32}$'),
    asked    boolean not null,
    voted    boolean not null,
    primary key (question, subject)
);

-- Polls. told is what the room was told last, and what stands for good once the poll is closed.
create table poll (
    id         uuid        primary key,
    show       uuid        not null references show,
    question   text        not null check (length(question) between 3 and 200),
    choices    text[]      not null check (cardinality(choices) between 2 and 6),
    seconds    int         not null check (seconds between 15 and 3600),
    state      text        not null default 'open' check (state in ('open', 'closed')),
    made_by    uuid        not null references account,
    name       text        not null check (length(name) between 1 and 100),
    made_at    timestamptz not null default now(),
    ends_at    timestamptz not null,
    closed_at  timestamptz,
    told       int[]       not null,
    told_at    timestamptz not null default now(),
    constraint poll_closed check ((state = 'closed') = (closed_at is not null)),
    constraint poll_told check (cardinality(told) = cardinality(choices))
) with (fillfactor = 50);
create unique index poll_open_once on poll (show) where state = 'open';
create index poll_newest on poll (show, made_at desc, id desc);
create index poll_ends on poll (ends_at) where state = 'open';

-- A vote per person and poll. Whoever votes shares a lock on the poll's row, whoever closes it has it alone.
create table poll_vote (
    poll    uuid        not null references poll,
    subject text        not null check (subject ~ '^(acc|gst)_[0-9a-f]{32}$'),
    choice  int         not null check (choice between 0 and 5),
    cast_at timestamptz not null default clock_timestamp(),
    primary key (poll, subject)
);
create index poll_vote_tally on poll_vote (poll, choice);
create index poll_vote_newest on poll_vote (poll, cast_at desc);

-- +goose Down
drop table poll_vote;
drop table poll;
drop table question_voice;
drop table question;
drop table talk_audit;
drop function talk_audit_is_final();
drop index ban_show;
drop index ban_newest;
alter table ban drop column name;
drop table talk_command;
drop table talk_author_gone;
drop table talk_line_gone;
drop table talk_timeout;
drop table talk;
drop table show_moderator;
