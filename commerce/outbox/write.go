package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Limits of one row and one call. A writer that passes them has a bug; nothing is written.
const (
	MaxPayload = 16 << 10 // bytes of JSON
	MaxName    = 64       // bytes of a kind, an event's type or key
	MaxRef     = 200      // bytes of an effect's id
	MaxBatch   = 4096     // rows in one call
)

// ErrRow is what every refused row matches.
var ErrRow = errors.New("outbox: row refused")

// Class says how an event may be thinned out on its way to a viewer; the words are realtime's.
type Class string

const (
	Lossless Class = "lossless" // every one arrives, in order
	Latest   Class = "latest"   // only the newest of its key matters
	Sampled  Class = "sampled"  // any of them may be left out
)

// EventRow is one thing that a show says. As state it replaces what the show said before under the same
// Type and Key.
type EventRow struct {
	Type   string
	Key    string
	Class  Class
	Urgent bool // do not wait for the next tick (sold out)
	Data   any  // marshalled to JSON when written; a json.RawMessage is taken as it is
}

// EffectRow is one call to the outside. ID is deterministic ("cap:pay_…"): written twice it is one effect.
type EffectRow struct {
	Kind      string
	ID        string
	Payload   any
	NotBefore time.Time // zero: at once
}

// ControlMessage is an order to every node about what is open there. Zero members match everything, so a
// revoke without Show means all shows.
type ControlMessage struct {
	Op                 string `json:"op"` // OpRevoke, OpClose, OpTalk or OpRejoin
	Show               string `json:"show"`
	Subject            string `json:"subject"`
	Session            string `json:"session"`
	KeyGenerationBelow int    `json:"key_generation_below"`
}

const (
	OpRevoke = "revoke"
	OpClose  = "close"
	OpMe     = "me" // a MeMessage
	// OpTalk: the rules of the talk in Show have changed, read them again.
	OpTalk = "talk"
	// OpRejoin: Subject is somebody else in Show from now on (a moderator, or none any more): their pages join again.
	OpRejoin = "rejoin"

	// KindEvent and KindControl are the Dispatcher's handler names of those lanes.
	KindEvent   = "event"
	KindControl = "control"
)

// eventBody is the payload column of an event row.
type eventBody struct {
	Type   string          `json:"t"`
	Key    string          `json:"k"`
	Class  Class           `json:"c"`
	Urgent bool            `json:"u,omitempty"`
	Data   json.RawMessage `json:"d"`
}

// Event writes what one show says, in the order given. It takes the show's stream row, which must be the
// last lock that tx takes.
func Event(ctx context.Context, tx pgx.Tx, show commerce.ShowID, rows ...EventRow) error {
	return Events(ctx, tx, map[commerce.ShowID][]EventRow{show: rows})
}

// Events is Event for several shows in one statement; their stream rows are taken in key order, so two
// such transactions cannot deadlock here.
func Events(ctx context.Context, tx pgx.Tx, byShow map[commerce.ShowID][]EventRow) error {
	args, n, err := eventArgs(byShow)
	if err != nil || n == 0 {
		return err
	}
	if _, err := tx.Exec(ctx, eventsSQL, args...); err != nil {
		return fmt.Errorf("write %d events: %w", n, err)
	}
	return nil
}

// Queue is Event as a part of a batch, for a transaction that sends all that it writes in one go.
func Queue(batch *pgx.Batch, show commerce.ShowID, rows ...EventRow) error {
	args, n, err := eventArgs(map[commerce.ShowID][]EventRow{show: rows})
	if err != nil || n == 0 {
		return err
	}
	batch.Queue(eventsSQL, args...)
	return nil
}

const eventsSQL = `
	with said as (select key, n from unnest($1::text[], $2::bigint[]) as s(key, n)),
	numbered as (
		insert into outbox_stream as s (key, seq) select key, n from said order by key
		on conflict (key) do update set seq = s.seq + excluded.seq
		returning s.key, s.seq)
	insert into outbox (lane, kind, key, seq, ref, payload)
	select 'event', 'event', w.key, v.seq, w.key || ':' || v.seq, convert_from(w.payload, 'UTF8')::json
	from unnest($3::text[], $4::bigint[], $5::bytea[]) as w(key, place, payload)
	join said on said.key = w.key
	join numbered on numbered.key = w.key
	cross join lateral (select numbered.seq - said.n + 1 + w.place as seq) v`

func eventArgs(byShow map[commerce.ShowID][]EventRow) (args []any, n int, err error) {
	var (
		streams, keys  []string
		counts, places []int64
		payloads       [][]byte
	)
	for show, rows := range byShow {
		if len(rows) == 0 {
			continue
		}
		if show.IsZero() {
			return nil, 0, fmt.Errorf("%w: an event needs a show", ErrRow)
		}
		streams, counts = append(streams, show.String()), append(counts, int64(len(rows)))
		for i, row := range rows {
			payload, err := row.marshal()
			if err != nil {
				return nil, 0, err
			}
			keys, places, payloads = append(keys, show.String()), append(places, int64(i)), append(payloads, payload)
		}
	}
	if len(keys) > MaxBatch {
		return nil, 0, fmt.Errorf("%w: %d events in one call, at most %d", ErrRow, len(keys), MaxBatch)
	}
	return []any{streams, counts, keys, places, payloads}, len(keys), nil
}

func (r EventRow) marshal() ([]byte, error) {
	if r.Type == "" || len(r.Type) > MaxName || len(r.Key) > MaxName {
		return nil, fmt.Errorf("%w: event type %.64q, key %.64q", ErrRow, r.Type, r.Key)
	}
	if !slices.Contains([]Class{Lossless, Latest, Sampled}, r.Class) {
		return nil, fmt.Errorf("%w: class %.64q of event %q", ErrRow, r.Class, r.Type)
	}
	data, err := r.JSON()
	if err != nil {
		return nil, err
	}
	return marshal(eventBody{Type: r.Type, Key: r.Key, Class: r.Class, Urgent: r.Urgent, Data: data})
}

// JSON is Data in the form in which it travels.
func (r EventRow) JSON() (json.RawMessage, error) { return marshal(r.Data) }

// Seq is the number of the last event that a show has said, and 0 when it has said none. Read it in the
// same schema.Snapshot as the state that it numbers.
func Seq(ctx context.Context, q schema.Querier, show commerce.ShowID) (seq int64, err error) {
	err = q.QueryRow(ctx, `select coalesce((select seq from outbox_stream where key = $1), 0)`, show.String()).Scan(&seq)
	if err != nil {
		return 0, fmt.Errorf("read the number of %s: %w", show, err)
	}
	return seq, nil
}

// Control writes orders to every node.
func Control(ctx context.Context, tx pgx.Tx, messages ...ControlMessage) error {
	rows := make([]any, 0, len(messages))
	for _, m := range messages {
		if !slices.Contains([]string{OpRevoke, OpClose, OpTalk, OpRejoin}, m.Op) {
			return fmt.Errorf("%w: control op %.64q", ErrRow, m.Op)
		}
		if m == (ControlMessage{Op: m.Op}) {
			return fmt.Errorf("%w: control %s of everything", ErrRow, m.Op)
		}
		rows = append(rows, m)
	}
	return controls(ctx, tx, rows)
}

func controls(ctx context.Context, tx pgx.Tx, rows []any) error {
	batch := &pgx.Batch{}
	if err := queueControls(batch, rows); err != nil {
		return err
	}
	return send(ctx, tx, batch)
}

func queueControls(batch *pgx.Batch, rows []any) error {
	if len(rows) == 0 {
		return nil
	}
	if len(rows) > MaxBatch {
		return fmt.Errorf("%w: %d controls in one call, at most %d", ErrRow, len(rows), MaxBatch)
	}
	refs, payloads := make([]string, len(rows)), make([][]byte, len(rows))
	for i, row := range rows {
		var err error
		if payloads[i], err = marshal(row); err != nil {
			return err
		}
		refs[i] = uuid.Must(uuid.NewV7()).String()
	}
	batch.Queue(`
		insert into outbox (lane, kind, ref, payload)
		select 'control', 'control', ref, convert_from(payload, 'UTF8')::json
		from unnest($1::text[], $2::bytea[]) as w(ref, payload)`, refs, payloads)
	return nil
}

// Effect writes one call to the outside; see EffectRow. notBefore zero means at once.
func Effect(ctx context.Context, tx pgx.Tx, kind, id string, payload any, notBefore time.Time) error {
	return Effects(ctx, tx, EffectRow{Kind: kind, ID: id, Payload: payload, NotBefore: notBefore})
}

// Effects is Effect for many rows in one statement. A row whose kind and id are there already, done or not,
// is left as it is.
func Effects(ctx context.Context, tx pgx.Tx, rows ...EffectRow) error {
	batch := &pgx.Batch{}
	if err := QueueEffects(batch, rows...); err != nil {
		return err
	}
	return send(ctx, tx, batch)
}

// QueueEffects is Effects as a part of a batch.
func QueueEffects(batch *pgx.Batch, rows ...EffectRow) error {
	if len(rows) == 0 {
		return nil
	}
	if len(rows) > MaxBatch {
		return fmt.Errorf("%w: %d effects in one call, at most %d", ErrRow, len(rows), MaxBatch)
	}
	kinds, refs := make([]string, len(rows)), make([]string, len(rows))
	payloads, times := make([][]byte, len(rows)), make([]*time.Time, len(rows))
	for i, r := range rows {
		if r.Kind == "" || len(r.Kind) > MaxName || r.Kind == KindEvent || r.Kind == KindControl {
			return fmt.Errorf("%w: effect kind %.64q", ErrRow, r.Kind)
		}
		if r.ID == "" || len(r.ID) > MaxRef {
			return fmt.Errorf("%w: id of an effect %q has %d bytes, 1 to %d are allowed", ErrRow, r.Kind, len(r.ID), MaxRef)
		}
		payload, err := marshal(r.Payload)
		if err != nil {
			return err
		}
		if !r.NotBefore.IsZero() {
			times[i] = &r.NotBefore
		}
		kinds[i], refs[i], payloads[i] = r.Kind, r.ID, payload
	}
	// Sorted, so that two transactions with the same effects wait for each other in one order.
	batch.Queue(`
		insert into outbox (lane, kind, ref, payload, not_before)
		select 'effect', kind, ref, convert_from(payload, 'UTF8')::json, coalesce(at, now())
		from unnest($1::text[], $2::text[], $3::bytea[], $4::timestamptz[]) as w(kind, ref, payload, at)
		order by kind, ref
		on conflict (kind, ref) where lane = 'effect' do nothing`, kinds, refs, payloads, times)
	return nil
}

// send writes what was queued, if anything was.
func send(ctx context.Context, tx pgx.Tx, batch *pgx.Batch) error {
	if batch.Len() == 0 {
		return nil
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("write to the outbox: %w", err)
	}
	return nil
}

func marshal(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRow, err)
	}
	if len(raw) > MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrRow, len(raw), MaxPayload)
	}
	return raw, nil
}
