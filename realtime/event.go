package realtime

import (
	"cmp"
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
	// Sampled events (chat, hearts) are shown while there is room for them and
	// left out when there are too many, or for a viewer who is slow. They have
	// no version and no place in the history.
	Sampled Class = "sampled"
)

// Limits of one event. Larger ones are refused where they are published.
const (
	MaxRoomID     = 64
	MaxEventType  = 48
	MaxEventKey   = 96
	MaxEventID    = 128
	MaxEventBytes = 16 << 10 // of Data
	// MaxSampledBytes bounds the Data of a Sampled event, of which many travel
	// in one frame.
	MaxSampledBytes = 4 << 10
	// MaxAdd bounds one event's Add.
	MaxAdd = 1_000_000
)

// ErrInvalid is wrapped by every refusal of a malformed event or room id.
var ErrInvalid = errors.New("invalid event")

// Event is one thing that happened in a show. Realtime knows nothing of its
// meaning: Type and Key say which part of the state it replaces, Version which
// of two is newer. Versions are one rising number per room, starting at 1.
//
// A Latest event with version 0 is unversioned: it has no truth in a database
// (how many people watch), and what is heard last counts.
type Event struct {
	Type    string          `json:"t"`
	Key     string          `json:"k,omitempty"`
	Version int64           `json:"v,omitempty"`
	Data    json.RawMessage `json:"d"`

	Class  Class  `json:"-"`
	ID     string `json:"-"` // makes publishing twice the same as once; the bus makes one when empty
	Urgent bool   `json:"-"` // a versioned Latest event that must not wait for the tick

	// What a Sampled event says about itself, so that realtime can leave some
	// out without knowing what they mean:
	Keep     bool  `json:"-"` // is shown to those who join later too; needs an ID, by which it is recognised
	Priority bool  `json:"-"` // goes before others when not all can be shown
	Add      int64 `json:"-"` // is a number and no text: has no Data, and viewers are told the sum over a tick
	// By is whose a kept event is, so that all of one author can be withdrawn; "" is nobody's.
	By string `json:"-"`
}

// Fleeting says that e has no place in a room's history: it is cast, not
// published.
func (e Event) Fleeting() bool { return e.Class == Sampled || e.Class == Latest && e.Version == 0 }

// stateKey is the part of a room's state that an event replaces.
type stateKey struct{ typ, key string }

func (e Event) stateKey() stateKey { return stateKey{e.Type, e.Key} }

func (k stateKey) compare(other stateKey) int {
	return cmp.Or(cmp.Compare(k.typ, other.typ), cmp.Compare(k.key, other.key))
}

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
	case e.By != "" && (!e.Keep || !isName(e.By, MaxEventID)):
		return fmt.Errorf("%w: by %.140q: of a kept event, at most %d letters, digits, '.', '_', '-', ':'", ErrInvalid, e.By, MaxEventID)
	case e.Class == Sampled:
		return e.validateSampled()
	case e.Class != Lossless && e.Class != Latest:
		return fmt.Errorf("%w: class %q: lossless, latest or sampled", ErrInvalid, e.Class)
	case e.Keep || e.Priority || e.Add != 0:
		return fmt.Errorf("%w: only a sampled event can be kept, go first or be added up", ErrInvalid)
	case e.Version < 0 || e.Version == 0 && e.Class == Lossless:
		return fmt.Errorf("%w: version %d: versions start at 1", ErrInvalid, e.Version)
	case e.Urgent && (e.Class != Latest || e.Version == 0):
		return fmt.Errorf("%w: only a latest event with a version can be urgent", ErrInvalid)
	}
	return e.validateData(MaxEventBytes)
}

func (e Event) validateSampled() error {
	switch {
	case e.Version != 0 || e.Urgent:
		return fmt.Errorf("%w: a sampled event has no version and is not urgent", ErrInvalid)
	case e.Keep && (e.ID == "" || e.Add != 0):
		return fmt.Errorf("%w: a sampled event that is kept has an id and is not added up", ErrInvalid)
	case e.Add < 0 || e.Add > MaxAdd:
		return fmt.Errorf("%w: add %d: 0 to %d", ErrInvalid, e.Add, MaxAdd)
	case e.Add > 0 && len(e.Data) > 0:
		return fmt.Errorf("%w: an event that is added up has no data", ErrInvalid)
	case e.Add > 0:
		return nil
	}
	return e.validateData(MaxSampledBytes)
}

func (e Event) validateData(most int) error {
	if len(e.Data) > most {
		return fmt.Errorf("%w: data of %d bytes, at most %d", ErrInvalid, len(e.Data), most)
	}
	if !utf8.Valid(e.Data) || !json.Valid(e.Data) {
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
