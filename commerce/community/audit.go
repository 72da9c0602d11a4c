package community

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

// Action is something that somebody in charge did in the talk of a show.
type Action string

// The actions. Detail of an Entry says more: the reason, the text, the choices.
const (
	ActionModeratorAdded      Action = "moderator_added"
	ActionModeratorRemoved    Action = "moderator_removed"
	ActionSlowModeSet         Action = "slow_mode_set"
	ActionAnnouncementSet     Action = "announcement_set"
	ActionAnnouncementRemoved Action = "announcement_removed"
	ActionLineRemoved         Action = "line_removed"
	ActionTimedOut            Action = "timed_out"
	ActionTimeoutLifted       Action = "timeout_lifted"
	ActionBanned              Action = "banned"
	ActionBanLifted           Action = "ban_lifted"
	ActionQuestionAnswered    Action = "question_answered"
	ActionQuestionsMerged     Action = "questions_merged"
	ActionQuestionRemoved     Action = "question_removed"
	ActionPollOpened          Action = "poll_opened"
	ActionPollClosed          Action = "poll_closed"
	ActionPinned              Action = "pinned"
	ActionUnpinned            Action = "unpinned"
)

// Actions is all of them.
func Actions() []Action {
	return []Action{
		ActionModeratorAdded, ActionModeratorRemoved, ActionSlowModeSet, ActionAnnouncementSet, ActionAnnouncementRemoved, ActionLineRemoved, ActionTimedOut, ActionTimeoutLifted, ActionBanned, ActionBanLifted,
		ActionQuestionAnswered, ActionQuestionsMerged, ActionQuestionRemoved, ActionPollOpened, ActionPollClosed, ActionPinned, ActionUnpinned,
	}
}

// AuditPage is how many entries a page of the log has.
const AuditPage = 50

const auditList = "audit"

// Entry is one row of the audit log.
type Entry struct {
	ID     commerce.AuditID
	At     time.Time
	By     commerce.AccountID
	ByName string
	Action Action
	// Subject and Name are of the person it was done to; empty when it was nobody.
	Subject, Name string
	Detail        string
}

// note writes one row, in the transaction of what it speaks of.
func note(ctx context.Context, tx pgx.Tx, s show.Show, by account.Account, e Entry) error {
	_, err := tx.Exec(ctx, `insert into talk_audit (id, show, by_account, by_name, action, subject, name, detail) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		commerce.NewID[commerce.AuditID](), s.ID, by.ID, by.Name, e.Action, e.Subject, e.Name, e.Detail)
	if err != nil {
		return fmt.Errorf("note %s in %s: %w", e.Action, s.ID, err)
	}
	return nil
}

// NotePin notes that somebody in charge pinned a product from the chat box, or with "" took it off.
func NotePin(ctx context.Context, tx pgx.Tx, s show.Show, by account.Account, title string) error {
	action := ActionPinned
	if title == "" {
		action = ActionUnpinned
	}
	return note(ctx, tx, s, by, Entry{Action: action, Detail: title})
}

// Audit reads a page of the log of a show, newest first, for somebody who may moderate it. next is "" on the last one.
func Audit(ctx context.Context, q schema.Querier, s show.Show, by account.Account, from string) (page []Entry, next string, err error) {
	if err := s.MayModerate(ctx, q, by); err != nil {
		return nil, "", err
	}
	at, last, err := cursor.Read[commerce.AuditID](auditList, from)
	if err != nil {
		return nil, "", err
	}
	rows, err := q.Query(ctx, `select id, at, by_account, by_name, action, subject, name, detail from talk_audit
		where show = $1 and ($2::timestamptz is null or (at, id) < ($2, $3::uuid)) order by at desc, id desc limit $4`, s.ID, at, last, AuditPage+1)
	if err != nil {
		return nil, "", fmt.Errorf("audit log of %s: %w", s.ID, err)
	}
	page, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
	if err != nil {
		return nil, "", fmt.Errorf("audit log of %s: %w", s.ID, err)
	}
	if len(page) > AuditPage {
		page = page[:AuditPage]
		next = cursor.Write(auditList, page[AuditPage-1].At, page[AuditPage-1].ID)
	}
	return page, next, nil
}
