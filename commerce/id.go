package commerce

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// ErrID is what every refused id text matches. The text that was refused is never part of the error:
// it came from outside and may be of any length.
var ErrID = errors.New("not an id of this kind")

// kind names what an ID points at. Its only method is the prefix of the text form, so that a show's
// id can never be passed where a hold's is wanted, neither in Go nor in JSON.
type kind interface{ prefix() string }

// ID is a typed UUID. Its text and JSON form is `prefix_` and 32 lower-case hex digits; in Postgres it
// is a plain uuid. The zero ID means "none", has no text form in JSON and is refused by Parse; a column
// or member that may be absent is a *ID.
type ID[K kind] [16]byte

// The things that have ids. Contract for clients: an id they make may be a UUID of any version, ours are v7
// (sorted by time, so that new rows land at the end of an index).
type (
	accountKind struct{}
	sessionKind struct{}
	guestKind   struct{}
	showKind    struct{}
	productKind struct{}
	variantKind struct{}
	poolKind    struct{}
	holdKind    struct{}
	orderKind   struct{}
	paymentKind struct{}
	keyKind     struct{}
	banKind     struct{}
	flashKind   struct{}
	dropKind    struct{}
	mailKind    struct{}
	lineKind    struct{}
	auditKind   struct{}
	askKind     struct{}
	pollKind    struct{}

	AccountID = ID[accountKind]
	SessionID = ID[sessionKind]
	GuestID   = ID[guestKind]
	ShowID    = ID[showKind]
	ProductID = ID[productKind]
	VariantID = ID[variantKind]
	PoolID    = ID[poolKind]
	HoldID    = ID[holdKind]
	OrderID   = ID[orderKind]
	PaymentID = ID[paymentKind]
	KeyID     = ID[keyKind]
	BanID     = ID[banKind]
	FlashID   = ID[flashKind]
	DropID    = ID[dropKind]
	MailID    = ID[mailKind]

	LineID     = ID[lineKind] // a line of chat: made by realtime, known here by its id alone
	AuditID    = ID[auditKind]
	QuestionID = ID[askKind]
	PollID     = ID[pollKind]
)

func (accountKind) prefix() string { return "acc_" }
func (sessionKind) prefix() string { return "ses_" }
func (guestKind) prefix() string   { return "gst_" }
func (showKind) prefix() string    { return "shw_" }
func (productKind) prefix() string { return "prd_" }
func (variantKind) prefix() string { return "var_" }
func (poolKind) prefix() string    { return "pol_" }
func (holdKind) prefix() string    { return "hld_" }
func (orderKind) prefix() string   { return "ord_" }
func (paymentKind) prefix() string { return "pay_" }
func (keyKind) prefix() string     { return "key_" }
func (banKind) prefix() string     { return "ban_" }
func (flashKind) prefix() string   { return "fls_" }
func (dropKind) prefix() string    { return "drp_" }
func (mailKind) prefix() string    { return "eml_" }
func (lineKind) prefix() string    { return "lin_" }
func (auditKind) prefix() string   { return "aud_" }
func (askKind) prefix() string     { return "que_" }
func (pollKind) prefix() string    { return "pll_" }

const (
	prefixLength = 4
	// IDLength is the length of every id's text form, for the limits of bodies and columns.
	IDLength = prefixLength + 32
)

// NewID makes a fresh id: `commerce.NewID[commerce.HoldID]()`.
func NewID[T ~[16]byte]() T { return T(uuid.Must(uuid.NewV7())) }

// Parse reads the text form: `commerce.Parse[commerce.ShowID]("shw_…")`. Upper case, dashes and the zero
// UUID are refused, so that one thing has one spelling (ids are map keys and cache keys).
func Parse[T interface {
	~[16]byte
	kindPrefix() string
}](s string) (T, error) {
	var id T
	raw, err := parse(id.kindPrefix(), s)
	return T(raw), err
}

func parse[S string | []byte](prefix string, s S) (raw [16]byte, err error) {
	if len(s) != IDLength || string(s[:prefixLength]) != prefix {
		return raw, fmt.Errorf("%w: it starts with %q and has %d characters", ErrID, prefix, IDLength)
	}
	for _, c := range []byte(s[prefixLength:]) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return raw, fmt.Errorf("%w: after %q come 32 lower-case hex digits", ErrID, prefix)
		}
	}
	if _, err := hex.Decode(raw[:], []byte(s[prefixLength:])); err != nil {
		return raw, fmt.Errorf("%w: %w", ErrID, err)
	}
	if raw == ([16]byte{}) {
		return raw, fmt.Errorf("%w: all zero", ErrID)
	}
	return raw, nil
}

func (id ID[K]) kindPrefix() string {
	var k K
	return k.prefix()
}

// IsZero says whether the id is "none"; encoding/json's omitzero uses it.
func (id ID[K]) IsZero() bool { return id == ID[K]{} }

// String is the text form, and "" for none.
func (id ID[K]) String() string {
	if id.IsZero() {
		return ""
	}
	return id.kindPrefix() + hex.EncodeToString(id[:])
}

// MarshalText fails for none: writing "" where a reader wants an id would only move the error to them.
func (id ID[K]) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return nil, fmt.Errorf("%w: none has no text", ErrID)
	}
	return []byte(id.String()), nil
}

// UnmarshalText is Parse for JSON members, path and query parameters.
func (id *ID[K]) UnmarshalText(text []byte) error {
	raw, err := parse(id.kindPrefix(), text)
	if err != nil {
		return err
	}
	*id = raw
	return nil
}

// UUIDValue lets pgx write the id as a uuid; none is NULL.
func (id ID[K]) UUIDValue() (pgtype.UUID, error) {
	return pgtype.UUID{Bytes: id, Valid: !id.IsZero()}, nil
}

// ScanUUID lets pgx read a uuid into the id; NULL is none.
func (id *ID[K]) ScanUUID(v pgtype.UUID) error {
	if !v.Valid {
		*id = ID[K]{}
		return nil
	}
	*id = v.Bytes
	return nil
}

// Subject is a person everywhere: an account (`acc_…`), a guest (`gst_…`), or "" for nobody known.
// It is a string in media and realtime; ParseSubject is the one place that judges it.
func ParseSubject(s string) (AccountID, GuestID, error) {
	if account, err := Parse[AccountID](s); err == nil {
		return account, GuestID{}, nil
	}
	if guest, err := Parse[GuestID](s); err == nil {
		return AccountID{}, guest, nil
	}
	return AccountID{}, GuestID{}, fmt.Errorf("%w: a person is acc_… or gst_…", ErrID)
}
