package chain

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/rialto-live/rialto/commerce"
)

const (
	// MaxPerLine is how many hashes of holds one line of a file has.
	MaxPerLine = 512
	// MaxLine bounds a line of a file, in bytes: MaxPerLine hashes and what is around them fit.
	MaxLine = 64 << 10
	// maxFound is how many rows of one hold are remembered; it passes through a few.
	maxFound = 1000
)

// line is one line of a file: one of its members.
type line struct {
	Chain *opening `json:"chain,omitempty"`
	Row   *Row     `json:"row,omitempty"`
	Holds []Digest `json:"holds,omitempty"`
	End   *Head    `json:"end,omitempty"`
}

type opening struct {
	Format string          `json:"format"`
	Pool   commerce.PoolID `json:"pool"`
}

// writer writes a file, line by line.
type writer struct{ w *bufio.Writer }

func (w writer) line(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = w.w.Write(append(text, '\n'))
	return err
}

// row writes a row and the hashes of its holds, which are in order.
func (w writer) row(r Row, hashes []Digest) error {
	err := w.line(line{Row: &r})
	for len(hashes) > 0 && err == nil {
		n := min(len(hashes), MaxPerLine)
		err = w.line(line{Holds: hashes[:n]})
		hashes = hashes[n:]
	}
	return err
}

// LineError is what is wrong with a file, and the first line where it shows.
type LineError struct {
	Line int
	Why  string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Why) }

// Report is what a file that is right says.
type Report struct {
	Pool  commerce.PoolID
	Lines int
	Head
	// Found is the rows that move units of the hold that was looked for.
	Found []Row
}

// Check reads a file as Write makes it and judges it by itself: each hash, the numbers, the sums, and that it is whole. The
// error is a *LineError, or why the file could not be read. It keeps one line at a time. find, when it is not zero, is a
// hold whose rows are to be reported.
func Check(ctx context.Context, r io.Reader, find commerce.HoldID) (Report, error) {
	c := &checker{sum: sha256.New()}
	if !find.IsZero() {
		c.find = HashHold(find)
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), MaxLine)
	for lines.Scan() {
		c.report.Lines++
		if why := c.read(lines.Bytes()); why != "" {
			return c.report, &LineError{c.report.Lines, why}
		}
		if ctx.Err() != nil {
			return c.report, context.Cause(ctx)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return c.report, &LineError{c.report.Lines + 1, fmt.Sprintf("it is longer than the %d bytes that a line may have", MaxLine)}
	case err != nil:
		return c.report, err
	case !c.ended:
		return c.report, &LineError{c.report.Lines + 1, "the file was cut off here: its last line, with the totals, is missing"}
	}
	return c.report, nil
}

// checker is a file as far as it was read.
type checker struct {
	report Report
	ended  bool
	find   Digest
	// The row that was read last, how many hashes of its holds are still to come, the last that came, and all so far.
	row  Row
	left int
	last Digest
	sum  hash.Hash
}

// read judges the next line; "" means that it is right.
func (c *checker) read(text []byte) string {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return "it is not a line of a stock ledger"
	}
	// JSON has many ways to write the same, and readers differ in what they make of a member that stands there twice.
	if again, err := json.Marshal(l); err != nil || !bytes.Equal(text, again) {
		return "it is not in the form in which it was written"
	}
	first := c.report.Lines == 1
	switch {
	case c.ended:
		return "the file goes on behind its end"
	case first != (l.Chain != nil):
		return "the first line, and no other, names the pool"
	case first:
		return c.open(*l.Chain)
	case c.left > 0 && l.Holds == nil:
		return fmt.Sprintf("%d holds of row %d are missing before it", c.left, c.row.N)
	case l.Row != nil:
		return c.next(*l.Row)
	case l.Holds != nil:
		return c.holds(l.Holds)
	case l.End != nil:
		return c.end(*l.End)
	}
	return "it says nothing"
}

func (c *checker) open(o opening) string {
	if o.Format != Format {
		return fmt.Sprintf("its format is not %s", Format)
	}
	c.report.Pool = o.Pool
	return ""
}

func (c *checker) next(r Row) string {
	end := &c.report.Head
	switch {
	case r.N != end.N+1:
		return fmt.Sprintf("row %d stands where row %d belongs", r.N, end.N+1)
	case r.judge() != "":
		return fmt.Sprintf("row %d: %s", r.N, r.judge())
	case r.Hash != r.seal(end.Hash, c.report.Pool):
		return fmt.Sprintf("row %d: its hash is not that of its content and of the row before it", r.N)
	case r.Holds == 0 && r.Commitment != commit(nil):
		return fmt.Sprintf("row %d: its commitment is to holds, and it has none", r.N)
	}
	*end = Head{N: r.N, Hash: r.Hash, Totals: end.Totals.after(r)}
	if bucket := end.negative(); bucket != "" {
		return fmt.Sprintf("row %d: it leaves less than nothing %s", r.N, bucket)
	}
	if end.Allocated > maxUnits {
		return fmt.Sprintf("row %d: more units than can be", r.N)
	}
	c.row, c.left, c.last = r, r.Holds, Digest{}
	c.sum.Reset()
	return ""
}

func (c *checker) holds(hashes []Digest) string {
	if len(hashes) != min(c.left, MaxPerLine) {
		return fmt.Sprintf("%d holds stand where %d of row %d belong", len(hashes), min(c.left, MaxPerLine), c.row.N)
	}
	for _, h := range hashes {
		if compare(c.last, h) >= 0 {
			return fmt.Sprintf("the holds of row %d are not in order", c.row.N)
		}
		c.last = h
		fmt.Fprintln(c.sum, h)
		if h == c.find && len(c.report.Found) < maxFound {
			c.report.Found = append(c.report.Found, c.row)
		}
	}
	c.left -= len(hashes)
	if c.left == 0 && Digest(c.sum.Sum(nil)) != c.row.Commitment {
		return fmt.Sprintf("the holds of row %d are not those that it is committed to", c.row.N)
	}
	return ""
}

func (c *checker) end(h Head) string {
	if own := c.report.Head; h != own {
		return fmt.Sprintf("it ends with row %d, hash %s and %+v; its rows make row %d, hash %s and %+v", h.N, h.Hash, h.Totals, own.N, own.Hash, own.Totals)
	}
	c.ended = true
	return ""
}
