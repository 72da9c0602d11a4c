package realtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// RoomID names a room: the show's id as text.
type RoomID string

// Class says how an event travels to the viewers.
type Class string

const (
	// Lossless events are written at once, in order, and none is left out.
	Lossless Class = "lossless"
	// Latest events say the present value of their key: newer ones replace
	// older ones that were not written yet.
	Latest Class = "latest"
	// Sampled events may be left out when there are many. No flow carries
	// them yet: publishing one is ErrInvalid.
	Sampled Class = "sampled"
)

// Limits of one event. Larger ones are refused where they are published.
const (
	MaxRoomID     = 64
	MaxEventType  = 48
	MaxEventKey   = 96
	MaxEventID    = 128
	MaxEventBytes = 16 << 10 // of Data
)

// ErrInvalid is wrapped by every refusal of a malformed event or room id.
var ErrInvalid = errors.New("invalid event")

// Event is one thing that happened in a show. Realtime knows nothing of its
// meaning: Type and Key say which part of the state it replaces, Version which
// of two is newer. Versions are one rising number per room, starting at 1.
type Event struct {
	Type    string          `json:"t"`
	Key     string          `json:"k,omitempty"`
	Version int64           `json:"v,omitempty"`
	Data    json.RawMessage `json:"d"`

	Class  Class  `json:"-"`
	ID     string `json:"-"` // makes publishing twice the same as once; the bus makes one when empty
	Urgent bool   `json:"-"` // a Latest event that must not wait for the tick
}

// stateKey is the part of a room's state that an event replaces.
type stateKey struct{ typ, key string }

func (e Event) stateKey() stateKey { return stateKey{e.Type, e.Key} }

// Validate reports the first rule e breaks. Data must be JSON in UTF-8, since
// it is put into frames as it stands.
func (e Event) Validate() error {
	switch {
	case !isName(e.Type, MaxEventType):
		return fmt.Errorf("%w: type %.60q: 1 to %d letters, digits, '.', '_', '-', ':'", ErrInvalid, e.Type, MaxEventType)
	case e.Key != "" && !isName(e.Key, MaxEventKey):
		return fmt.Errorf("%w: key %.100q: at most %d letters, digits, '.', '_', '-', ':'", ErrInvalid, e.Key, MaxEventKey)
	case e.ID != "" && !isName(e.ID, MaxEventID):
		return fmt.Errorf("%w: id %.140q: at most %d letters, digits, '.', '_', '-', ':'", ErrInvalid, e.ID, MaxEventID)
	case e.Class != Lossless && e.Class != Latest:
		return fmt.Errorf("%w: class %q: lossless or latest", ErrInvalid, e.Class)
	case e.Urgent && e.Class != Latest:
		return fmt.Errorf("%w: only a latest event can be urgent", ErrInvalid)
	case e.Version < 1:
		return fmt.Errorf("%w: version %d: versions start at 1", ErrInvalid, e.Version)
	case len(e.Data) > MaxEventBytes:
		return fmt.Errorf("%w: data of %d bytes, at most %d", ErrInvalid, len(e.Data), MaxEventBytes)
	case !utf8.Valid(e.Data) || !json.Valid(e.Data):
		return fmt.Errorf("%w: data is not JSON in UTF-8", ErrInvalid)
	}
	return nil
}

// Validate reports whether id can name a room.
func (id RoomID) Validate() error {
	if !isName(string(id), MaxRoomID) {
		return fmt.Errorf("%w: room %.80q: 1 to %d letters, digits, '.', '_', '-', ':'", ErrInvalid, string(id), MaxRoomID)
	}
	return nil
}

// isName keeps names inside an alphabet that needs no escaping in JSON, in a
// Redis key, in its {hash tag} or in a log line.
func isName(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-', c == ':':
		default:
			return false
		}
	}
	return true
}
