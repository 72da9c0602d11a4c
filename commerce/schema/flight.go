package schema

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Flight is statements that go to Postgres together, rows for COPY among them, and are answered together: a pgx.Batch with
// COPY, whose statements tell nothing but that they have been done. While a transaction has what others wait for, each trip less is
// a batch sooner for all.
type Flight struct{ steps []step }

type step struct {
	sql  string
	args []any
	rows []byte // for COPY
}

// Queue adds a statement.
func (f *Flight) Queue(sql string, args ...any) {
	f.steps = append(f.steps, step{sql: sql, args: args})
}

// Batch adds the statements of a batch, none of which may want its answer.
func (f *Flight) Batch(batch *pgx.Batch) {
	for _, q := range batch.QueuedQueries {
		f.Queue(q.SQL, q.Arguments...)
	}
}

// Copy adds a COPY FROM STDIN with its rows, in the format that it names.
func (f *Flight) Copy(sql string, rows []byte) { f.steps = append(f.steps, step{sql: sql, rows: rows}) }

// Go sends all of it and waits. Of the context only its deadline ends the waiting. The first statement that Postgres refuses ends
// the flight (a *pgconn.PgError), and whatever transaction is open then is left to the caller to roll back; any other error closes the
// connection, and leaves open what was done.
func (f *Flight) Go(ctx context.Context, conn *pgx.Conn) error {
	out := conn.PgConn().Frontend()
	statements := make([]*pgconn.StatementDescription, len(f.steps))
	for i, s := range f.steps {
		var err error
		if statements[i], err = conn.Prepare(ctx, s.sql, s.sql); err != nil {
			return err
		}
	}
	// Whatever is in the way of one step is found before any is sent.
	bound := make([]pgx.ExtendedQueryBuilder, len(f.steps))
	for i, s := range f.steps {
		if err := bound[i].Build(conn.TypeMap(), statements[i], s.args); err != nil {
			return fmt.Errorf("%.40s: %w", s.sql, err)
		}
	}
	for i, s := range f.steps {
		out.SendBind(&pgproto3.Bind{
			PreparedStatement: statements[i].Name, ParameterFormatCodes: bound[i].ParamFormats, Parameters: bound[i].ParamValues,
			ResultFormatCodes: bound[i].ResultFormats,
		})
		out.SendExecute(&pgproto3.Execute{})
		if s.rows != nil {
			out.Send(&pgproto3.CopyData{Data: s.rows})
			out.Send(&pgproto3.CopyDone{})
		}
	}
	out.SendSync(&pgproto3.Sync{})
	deadline, _ := ctx.Deadline()
	refused, err := exchange(conn.PgConn(), deadline)
	if err != nil {
		_ = conn.Close(ctx)
		return fmt.Errorf("a flight of %d statements: %w", len(f.steps), err)
	}
	return refused
}

// exchange sends what is written, and reads until Postgres is ready for more.
func exchange(conn *pgconn.PgConn, deadline time.Time) (refused, err error) {
	if err := conn.Conn().SetDeadline(deadline); err != nil {
		return nil, err
	}
	if err := conn.Frontend().Flush(); err != nil {
		return nil, err
	}
	for {
		message, err := conn.ReceiveMessage(context.Background()) // the deadline is the connection's
		if err != nil {
			return nil, err
		}
		switch m := message.(type) {
		case *pgproto3.ErrorResponse:
			if refused == nil {
				refused = pgconn.ErrorResponseToPgError(m)
			}
		case *pgproto3.ReadyForQuery:
			return refused, conn.Conn().SetDeadline(time.Time{})
		}
	}
}
