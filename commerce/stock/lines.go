package stock

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// A hold of several lines is a row for each (Hold.Of). Whoever finds one of them reads the others too, and changes all.

// Several says whether there are other lines than this one.
func (h Hold) Several() bool { return !h.Of.IsZero() }

const linesSQL = `select ` + holdColumns + ` from unnest($1::uuid[]) as w(id) join hold h on h.part_of = w.id join pool p on p.id = h.pool`

// QueueLines adds to a batch that all lines of holds that have several are read. They come in any order: see Join.
func QueueLines(batch *pgx.Batch, of []commerce.HoldID, found func(Hold)) {
	batch.Queue(linesSQL, of).Query(each(func(h Hold) { found(h.now()) }))
}

// Join makes one hold of all of its lines. What one of them has come to, the hold has come to.
func Join(lines []Hold) Hold {
	slices.SortFunc(lines, func(a, b Hold) int { return bytes.Compare(a.Pool[:], b.Pool[:]) })
	first := slices.IndexFunc(lines, func(l Hold) bool { return l.ID == l.Of })
	if first < 0 {
		return Hold{}
	}
	h := lines[first]
	h.More = slices.Delete(slices.Clone(lines), first, first+1)
	for _, l := range h.More {
		if !l.State.Live() {
			h.State = l.State
		}
		if l.Left < h.Left {
			h.Left, h.Expires = l.Left, l.Expires
		}
	}
	return h
}

// complete reads the other lines of holds that have some.
func complete(ctx context.Context, q schema.Querier, holds ...*Hold) error {
	var of []commerce.HoldID
	for _, h := range holds {
		if h.Several() {
			of = append(of, h.Of)
		}
	}
	if len(of) == 0 {
		return nil
	}
	lines := make(map[commerce.HoldID][]Hold, len(of))
	rows, err := q.Query(ctx, linesSQL, of)
	if err == nil {
		err = each(func(l Hold) { lines[l.Of] = append(lines[l.Of], l.now()) })(rows)
	}
	if err != nil {
		return fmt.Errorf("read the lines of holds: %w", err)
	}
	for _, h := range holds {
		if h.Several() {
			*h = Join(lines[h.Of])
		}
	}
	return nil
}

// ids are those of the hold's lines.
func (h Hold) ids() []commerce.HoldID {
	lines := h.Lines()
	return schema.Column(lines, func(l *Hold) commerce.HoldID { return l.ID })
}

// move has all lines of a hold make one step, or none of them: ErrState.
func move(ctx context.Context, tx pgx.Tx, id commerce.HoldID, to State, queue func(batch *pgx.Batch, ids []commerce.HoldID, moved func(Hold))) (Hold, error) {
	h, err := Find(ctx, tx, id)
	if err != nil {
		return Hold{}, err
	}
	var lines []Hold
	ids := h.ids()
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		schema.ByKey(batch)
		queue(batch, ids, func(l Hold) { lines = append(lines, l) })
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		if len(lines) < len(ids) {
			return ErrState
		}
		return nil
	})
	if err != nil {
		return Hold{}, fmt.Errorf("hold %s to %s: %w", id, to, err)
	}
	if h.Several() {
		return Join(lines), nil
	}
	return lines[0], nil
}

// SellLines sells the other lines of holds that have several and whose first is sold in this transaction, and names the holds of
// which all is sold now. Whoever finds one missing undoes the transaction.
func SellLines(ctx context.Context, tx pgx.Tx, of []commerce.HoldID) (map[commerce.HoldID]bool, error) {
	sold, lines := make(map[commerce.HoldID]bool, len(of)), map[commerce.HoldID][]commerce.HoldID{}
	batch := &pgx.Batch{}
	schema.ByKey(batch)
	QueueLines(batch, of, func(l Hold) { lines[l.Of] = append(lines[l.Of], l.ID) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("lines of %d holds: %w", len(of), err)
	}
	var rest []commerce.HoldID
	for id, all := range lines {
		for _, line := range all {
			if line != id {
				rest = append(rest, line)
			}
		}
	}
	slices.SortFunc(rest, func(a, b commerce.HoldID) int { return bytes.Compare(a[:], b[:]) })
	moved := map[commerce.HoldID]int{}
	batch = &pgx.Batch{}
	QueueSell(batch, rest, func(l Hold) { moved[l.Of]++ })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("sell the lines of %d holds: %w", len(of), err)
	}
	for id, all := range lines {
		sold[id] = moved[id] == len(all)-1
	}
	return sold, nil
}
