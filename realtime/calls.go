package realtime

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// A page may call: ask the server to do something, with an answer to this page
// alone. What calls there are is not realtime's to know.

// Caller is who calls, and from where.
type Caller struct {
	Room RoomID
	Identity
	// Addr is where its page was opened from, as addresses are counted: see
	// Household. Invalid where that is not known.
	Addr netip.Addr
	// Call is the id the page gave this call. A page that got no answer asks
	// again with the same one. Empty when it wants no answer.
	Call string
}

// CallError is a call that was refused, in words for the page and its person.
// Every other error of a call is told as CallUnavailable, without its text.
type CallError struct {
	Code       string // stable
	Detail     string
	RetryAfter time.Duration // 0: trying again later is not what is missing
	// Data is what else there is to say, for the page: a JSON object, or nil.
	Data json.RawMessage
}

func (e *CallError) Error() string { return fmt.Sprintf("call refused: %s: %s", e.Code, e.Detail) }

// Codes that any call can be answered with.
const (
	CallUnknown     = "unknown_call"
	CallInvalid     = "call_invalid" // d is not what the call takes
	CallUnavailable = "unavailable"  // cannot be done just now
)

// UnknownCall refuses a call that nobody knows.
func UnknownCall(name string) *CallError {
	return &CallError{Code: CallUnknown, Detail: fmt.Sprintf("There is no call %.60q.", name)}
}

// MaxCallID is how long the id of a call may be.
const MaxCallID = 40

// CallInfo is what a row of the table of calls in protocol.md says of one.
type CallInfo struct {
	Name  string
	Codes []string // besides those that any call can be answered with
}

// Reply answers a call with data, which must be JSON.
func (c *Conn) Reply(call string, data json.RawMessage) { c.say(replyText(call, data)) }

// Refuse answers a call with an error.
func (c *Conn) Refuse(call string, why *CallError) { c.say(refusalText(call, why)) }

// Open says whether the viewer is in its room: it has joined, and nobody has
// begun to close it.
func (c *Conn) Open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == open
}

// replyText is {"t":"reply","id","d"}. The id is a name, see ws.
func replyText(call string, data json.RawMessage) []byte {
	b := append(make([]byte, 0, len(call)+len(data)+48), `{"t":"reply","id":"`...)
	b = append(append(b, call...), '"')
	return append(appendData(b, data), '}')
}

// refusalText is {"t":"reply","id","error":{"code","detail","retry_after_ms","d"}};
// of the last two is left out what is nothing.
func refusalText(call string, why *CallError) []byte {
	b := append(make([]byte, 0, len(call)+len(why.Detail)+len(why.Data)+128), `{"t":"reply","id":"`...)
	b = append(append(b, call...), `","error":{"code":`...)
	b = append(appendText(b, why.Code), `,"detail":`...)
	b = appendText(b, why.Detail)
	if ms := why.RetryAfter.Milliseconds(); ms > 0 {
		b = strconv.AppendInt(append(b, `,"retry_after_ms":`...), ms, 10)
	}
	if len(why.Data) > 0 {
		b = appendData(b, why.Data)
	}
	return append(b, "}}"...)
}

// appendText writes a string, with encoding/json where it is not plain.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c >= utf8.RuneSelf {
			text, _ := json.Marshal(s) // a string can always be written
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
