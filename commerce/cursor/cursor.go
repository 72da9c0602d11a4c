package cursor

import (
	"encoding"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Max bounds what a client may send as a cursor, in bytes.
const Max = 200

// ErrInvalid: not a cursor of this list.
var ErrInvalid = errors.New("the cursor is not one of ours")

// Write is the cursor behind the element of a list that has this time and id.
func Write(list string, at time.Time, id fmt.Stringer) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + " " + at.UTC().Format(time.RFC3339Nano) + " " + id.String()))
}

// Read is the way back: `at, id, err := cursor.Read[commerce.ShowID]("mine", text)`. Both are nil for "", the first
// page, so that they can be arguments of `$1::timestamptz is null or (at, id) < ($1, $2)`.
func Read[ID any, P interface {
	*ID
	encoding.TextUnmarshaler
}](list, text string) (*time.Time, *ID, error) {
	if text == "" {
		return nil, nil, nil
	}
	if len(text) > Max {
		return nil, nil, ErrInvalid
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(raw), " ")
	if err != nil || len(parts) != 3 || parts[0] != list {
		return nil, nil, ErrInvalid
	}
	at, err := time.Parse(time.RFC3339Nano, parts[1])
	if err != nil {
		return nil, nil, ErrInvalid
	}
	var id ID
	if err := P(&id).UnmarshalText([]byte(parts[2])); err != nil {
		return nil, nil, ErrInvalid
	}
	return &at, &id, nil
}
