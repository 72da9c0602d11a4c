package chain

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// Format names what is hashed and how; it stands in each hashed line and at the head of each file.
const Format = "rialto-chain-1"

// stampLayout is how times are written: always with six digits, the resolution of Postgres.
const stampLayout = "2006-01-02T15:04:05.000000Z"

// maxUnits bounds what is believed of a file, so that no sum overflows and JavaScript reads every number rightly.
const maxUnits = 1 << 53

// Kinds and Buckets are the words of the table unit_movement.
var (
	Kinds   = []string{"opening", "supply", "withdraw", "hold", "pay", "sell", "decline", "release", "expire", "edit"}
	Buckets = []string{"supply", "available", "held", "paying", "sold"}
)

// Digest is a SHA-256. Its text is 64 lower-case hex digits.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return errors.New("a hash has 64 hex digits")
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// ScanBytes lets pgx read a bytea.
func (d *Digest) ScanBytes(v []byte) error {
	if len(v) != len(d) {
		return fmt.Errorf("a hash of %d bytes", len(v))
	}
	copy(d[:], v)
	return nil
}

// HashHold is all that is ever public of a hold's id.
func HashHold(id commerce.HoldID) Digest { return sha256.Sum256([]byte(id.String())) }

// hashHolds gives the hashes of holds in the order in which they are committed to.
func hashHolds(ids []commerce.HoldID) []Digest {
	hashes := make([]Digest, len(ids))
	for i, id := range ids {
		hashes[i] = HashHold(id)
	}
	slices.SortFunc(hashes, compare)
	return hashes
}

func compare(a, b Digest) int { return slices.Compare(a[:], b[:]) }

// commit is the commitment to holds whose hashes are in order.
func commit(hashes []Digest) Digest {
	sum := sha256.New()
	for _, h := range hashes {
		fmt.Fprintln(sum, h)
	}
	return Digest(sum.Sum(nil))
}

// Row is one movement as everybody may see it.
type Row struct {
	N          int64  `json:"n" minimum:"1" doc:"Counts from 1 without gaps"`
	At         string `json:"at" format:"date-time"`
	Kind       string `json:"kind" enum:"opening,supply,withdraw,hold,pay,sell,decline,release,expire,edit"`
	Origin     string `json:"origin" enum:"supply,available,held,paying,sold" doc:"What the units were; supply is the world outside"`
	Target     string `json:"target" enum:"supply,available,held,paying,sold" doc:"What they became"`
	Units      int64  `json:"units" minimum:"1"`
	Holds      int    `json:"holds" minimum:"0" doc:"How many holds they are of"`
	Commitment Digest `json:"commitment" doc:"SHA-256 over the hashes of these holds' ids"`
	Hash       Digest `json:"hash" doc:"SHA-256 over the row before and this one"`
}

// seal is the hash of a row that follows the one with the hash previous.
func (r Row) seal(previous Digest, pool commerce.PoolID) Digest {
	return sha256.Sum256(fmt.Appendf(nil, "%s %s %s %d %s %s %s %s %d %d %s",
		Format, previous, pool, r.N, r.At, r.Kind, r.Origin, r.Target, r.Units, r.Holds, r.Commitment))
}

// judge says what is wrong with a row by itself, "" for nothing. A word of a row has no space, or two rows could be one
// line.
func (r Row) judge() string {
	at, err := time.Parse(stampLayout, r.At)
	switch {
	case err != nil || stamp(at) != r.At:
		return "its time is not in the form of a time"
	case !slices.Contains(Kinds, r.Kind):
		return "no movement is of its kind"
	case !slices.Contains(Buckets, r.Origin) || !slices.Contains(Buckets, r.Target) || r.Origin == r.Target:
		return "it does not move units from one bucket to another"
	case r.Units < 1 || r.Units > maxUnits:
		return "its number of units is none that can be"
	case r.Holds < 0 || int64(r.Holds) > r.Units:
		return "it has more holds than units"
	}
	return ""
}

func stamp(at time.Time) string { return at.UTC().Format(stampLayout) }

// Totals is where a pool's units are. Allocated = Available + Held + Sold.
type Totals struct {
	Allocated int64 `json:"allocated" doc:"Units of the pool, sold ones included"`
	Available int64 `json:"available"`
	Held      int64 `json:"held" doc:"Promised to buyers, those that are being paid included"`
	Paying    int64 `json:"paying" doc:"Those of held that are being paid"`
	Sold      int64 `json:"sold"`
}

// after is the totals when units have moved.
func (t Totals) after(r Row) Totals {
	t.add(r.Origin, -r.Units)
	t.add(r.Target, r.Units)
	return t
}

func (t *Totals) add(bucket string, units int64) {
	switch bucket {
	case "supply":
		t.Allocated -= units
	case "available":
		t.Available += units
	case "held":
		t.Held += units
	case "paying":
		t.Held += units
		t.Paying += units
	case "sold":
		t.Sold += units
	}
}

// negative names a bucket that has less than nothing, "" when there is none.
func (t Totals) negative() string {
	for _, b := range []struct {
		name  string
		units int64
	}{{"allocated", t.Allocated}, {"available", t.Available}, {"held", t.Held - t.Paying}, {"paying", t.Paying}, {"sold", t.Sold}} {
		if b.units < 0 {
			return b.name
		}
	}
	return ""
}

// Head is the end of a chain: everything in it, in one hash. The zero Head is the end of one without rows.
type Head struct {
	N    int64  `json:"n" doc:"Of the last row; 0: there is none yet"`
	Hash Digest `json:"hash" doc:"Of the last row; it changes if anything in the chain does"`
	Totals
}

// append makes a row the next one of a chain, and answers the chain's new end.
func (h Head) append(pool commerce.PoolID, r *Row) Head {
	r.N = h.N + 1
	r.Hash = r.seal(h.Hash, pool)
	return Head{N: r.N, Hash: r.Hash, Totals: h.Totals.after(*r)}
}
