package chain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/cursor"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// MaxAccounts is how many accounts of a show are listed.
	MaxAccounts = 1000
	// PageSize is how many rows a page has.
	PageSize = 50
	// listName is that of its cursors.
	listName = "chain"
	// filePage is how many rows are read at once for a file.
	filePage = 256
	// readWithin bounds such a reading.
	readWithin = 10 * time.Second
)

// ErrUnknown: no units of this variant were ever set aside for this show.
var ErrUnknown = errors.New("no units of it were ever set aside for this show")

// Account is a pool with the end of its chain.
type Account struct {
	Pool    commerce.PoolID
	Show    commerce.ShowID
	Variant commerce.VariantID
	Product string // titles, as they are now
	Title   string
	Head    Head
}

const accountSQL = `
	select p.id, p.show, p.variant, coalesce(i.title, ''), coalesce(v.title, ''), coalesce(s.n, 0), coalesce(s.hash, decode(repeat('00', 32), 'hex')),
		coalesce(s.available, 0), coalesce(s.held, 0), coalesce(s.paying, 0), coalesce(s.sold, 0)
	from pool p left join variant v on v.id = p.variant left join product i on i.id = v.product
		left join lateral (` + lastSeal + ` p.id order by n desc limit 1) s on true
	where p.show = $1`

func scanAccount(row pgx.CollectableRow) (a Account, err error) {
	h := &a.Head
	err = row.Scan(&a.Pool, &a.Show, &a.Variant, &a.Product, &a.Title, &h.N, &h.Hash, &h.Available, &h.Held, &h.Paying, &h.Sold)
	h.Allocated = h.Available + h.Held + h.Sold
	return a, err
}

// Accounts lists the accounts of a show, those of products that it sells no longer included, by their titles.
func Accounts(ctx context.Context, q schema.Querier, show commerce.ShowID) ([]Account, error) {
	rows, err := q.Query(ctx, accountSQL+` order by i.title, v.place, p.id limit $2`, show, MaxAccounts)
	if err != nil {
		return nil, fmt.Errorf("stock ledgers of %s: %w", show, err)
	}
	accounts, err := pgx.CollectRows(rows, scanAccount)
	if err != nil {
		return nil, fmt.Errorf("stock ledgers of %s: %w", show, err)
	}
	return accounts, nil
}

// Get reads the account of a variant in a show.
func Get(ctx context.Context, q schema.Querier, show commerce.ShowID, variant commerce.VariantID) (Account, error) {
	rows, err := q.Query(ctx, accountSQL+` and p.variant = $2`, show, variant)
	if err != nil {
		return Account{}, fmt.Errorf("stock ledger of %s: %w", variant, err)
	}
	a, err := pgx.CollectExactlyOneRow(rows, scanAccount)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, ErrUnknown
	}
	if err != nil {
		return Account{}, fmt.Errorf("stock ledger of %s: %w", variant, err)
	}
	return a, nil
}

// Page is a part of a chain. Next is "" on the last one.
type Page struct {
	Rows []Row
	Next string
}

// number is a row's place in the cursors of its list.
type number int64

func (n number) String() string { return strconv.FormatInt(int64(n), 10) }

func (n *number) UnmarshalText(text []byte) error {
	v, err := strconv.ParseInt(string(text), 10, 64)
	*n = number(v)
	return err
}

const rowSQL = `
	select s.n, m.created_at, m.kind, m.origin, m.target, m.units, s.holds, s.commitment, s.hash
	from unit_seal s join unit_movement m on m.id = s.movement where s.pool = $1`

func scanRow(row pgx.CollectableRow) (r Row, err error) {
	var at time.Time
	err = row.Scan(&r.N, &at, &r.Kind, &r.Origin, &r.Target, &r.Units, &r.Holds, &r.Commitment, &r.Hash)
	r.At = stamp(at)
	return r, err
}

// Rows reads the rows of an account up to its end, newest first. from is a cursor, "" for the first page.
func Rows(ctx context.Context, q schema.Querier, a Account, from string) (Page, error) {
	_, before, err := cursor.Read[number](listName, from)
	if err != nil {
		return Page{}, err
	}
	last := a.Head.N
	if before != nil {
		last = int64(*before) - 1
	}
	// Numbers have no gaps: whether there is a next page is known without another question.
	rows, err := q.Query(ctx, rowSQL+` and s.n <= $2 order by s.n desc limit $3`, a.Pool, last, PageSize)
	if err != nil {
		return Page{}, fmt.Errorf("rows of %s: %w", a.Pool, err)
	}
	found, err := pgx.CollectRows(rows, scanRow)
	if err != nil {
		return Page{}, fmt.Errorf("rows of %s: %w", a.Pool, err)
	}
	page := Page{Rows: found}
	if n := len(found); n > 0 && found[n-1].N > 1 {
		page.Next = cursor.Write(listName, time.Time{}, number(found[n-1].N))
	}
	return page, nil
}

// Write writes the account up to its end as a file for Check. Rows are read as the reader takes them, a few hundred at a
// time, and no transaction is open meanwhile: a chain is only added to. What was written when it fails lacks its last line.
func Write(ctx context.Context, q schema.Querier, w io.Writer, a Account) error {
	buffered := bufio.NewWriterSize(w, MaxLine)
	out := writer{buffered}
	err := out.line(line{Chain: &opening{Format: Format, Pool: a.Pool}})
	for last := int64(0); last < a.Head.N && err == nil; {
		var part []sealed
		if part, err = readPart(ctx, q, a, last); err != nil {
			break
		}
		if len(part) == 0 {
			return fmt.Errorf("ledger of %s: rows behind %d are missing", a.Pool, last)
		}
		for _, s := range part {
			if err == nil {
				err = out.row(s.row, hashHolds(s.holds))
			}
			last = s.row.N
		}
	}
	if err == nil {
		err = out.line(line{End: &a.Head})
	}
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the ledger of %s: %w", a.Pool, err)
	}
	return nil
}

type sealed struct {
	row   Row
	holds []commerce.HoldID
}

// readPart reads the rows behind one, with their holds: so many of both as may be kept at once.
func readPart(ctx context.Context, q schema.Querier, a Account, behind int64) ([]sealed, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	rows, err := q.Query(ctx, `
		select n, created_at, kind, origin, target, units, count, commitment, hash, holds
		from (select *, sum(count) over (order by n) - count as before from (
			select s.n, m.created_at, m.kind, m.origin, m.target, m.units, s.holds as count, s.commitment, s.hash, m.holds
			from unit_seal s join unit_movement m on m.id = s.movement where s.pool = $1 and s.n > $2 and s.n <= $3 order by s.n limit $4
		) next) sized
		where before < $5 order by n`, a.Pool, behind, a.Head.N, filePage, maxHolds)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s sealed, err error) {
		var at time.Time
		r := &s.row
		err = row.Scan(&r.N, &at, &r.Kind, &r.Origin, &r.Target, &r.Units, &r.Holds, &r.Commitment, &r.Hash, &s.holds)
		r.At = stamp(at)
		return s, err
	})
}
