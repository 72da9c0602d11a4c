package outbox

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// maxTold is how many people one row tells of.
const maxTold = 100

// MeMessage is the control that tells people's open pages that what they have under way has changed.
type MeMessage struct {
	Op     string `json:"op"` // OpMe
	People []Told `json:"people"`
}

// Told is one person. Version is that of their document; it is read when the message is delivered, since only then
// the commits that it speaks of are sure to be counted.
type Told struct {
	Subject string `json:"subject"`
	Version int64  `json:"version,omitempty"`
}

// Me writes that people's own documents change with this transaction. It is for changes that no request of theirs
// answers with; naming somebody twice is once, and "" is nobody.
func Me(ctx context.Context, tx pgx.Tx, subjects ...string) error {
	batch := &pgx.Batch{}
	if err := QueueMe(batch, subjects...); err != nil {
		return err
	}
	return send(ctx, tx, batch)
}

// QueueMe is Me as a part of a batch.
func QueueMe(batch *pgx.Batch, subjects ...string) error {
	names := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(subjects))), func(name string) bool { return name == "" })
	var rows []any
	for some := range slices.Chunk(names, maxTold) {
		m := MeMessage{Op: OpMe}
		for _, name := range some {
			m.People = append(m.People, Told{Subject: name})
		}
		rows = append(rows, m)
	}
	return queueControls(batch, rows)
}
