package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/rialto-live/rialto/realtime"
)

// The calls, and the events that come of them.
const (
	CallSay    = "chat.say"
	CallHearts = "hearts.send"

	TypeLine   = "chat.line"
	TypeHearts = "hearts"
)

// Codes of refusals, besides those of any call.
const (
	CodeTextEmpty   = "text_empty"
	CodeTextTooLong = "text_too_long"
	CodeTooOften    = "too_often"
	CodeRoomBusy    = "room_busy"
	CodeNoIdentity  = "no_identity"
	CodeTimedOut    = "timed_out"
	CodeSlowMode    = "slow_mode"
	// CodeCommandInvalid refuses what begins with / and cannot be carried out.
	CodeCommandInvalid = "command_invalid"
)

// Calls are the rows of chat in protocol.md.
func Calls() []realtime.CallInfo {
	return []realtime.CallInfo{
		{Name: CallSay, Codes: []string{CodeTextEmpty, CodeTextTooLong, CodeTooOften, CodeRoomBusy, CodeNoIdentity, CodeTimedOut, CodeSlowMode, CodeCommandInvalid}},
		{Name: CallHearts},
	}
}

const (
	// MaxHearts is the most that one call adds.
	MaxHearts = 20
	// heartsEvery is how often a room's hearts are cast.
	heartsEvery = 200 * time.Millisecond
	castTimeout = 2 * time.Second
)

// Line is the data of the event chat.line.
type Line struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	Name    string `json:"name"`
	Role    string `json:"role" enum:"host,moderator,buyer,viewer"`
	Text    string `json:"text"`
	At      int64  `json:"at"` // by the server's clock, in Unix milliseconds
}

// Hearts is the data of the event hearts: how many since the last one.
type Hearts struct {
	Count int64 `json:"count"`
}

// Said is the answer to chat.say. A command is no line: ID is empty then, and
// Did says what was done, in words for who wrote it.
type Said struct {
	ID  string `json:"id" doc:"Of the line; empty for a command"`
	Did string `json:"did,omitempty" doc:"What a command did; left out for a line"`
}

// Config is what a Chat is made of. Cast is needed.
type Config struct {
	Cast func(context.Context, realtime.RoomID, realtime.Event) error
	// Rules reads the rules of a room; nil: there are none. See Reread.
	Rules func(context.Context, realtime.RoomID) (Rules, error)
	// Command carries out a text that begins with /, by a host or a moderator,
	// and says what it did; nil: there are no commands. One that is sent again
	// comes with the same Caller.Call, and must not be done again. A refusal is
	// a *realtime.CallError.
	Command func(ctx context.Context, from realtime.Caller, text string) (did string, err error)
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Chat is the chat of all rooms, on one node.
type Chat struct {
	// static
	cfg     Config
	metrics *metrics
	seldom  rate.Sometimes

	mu      sync.Mutex // guards what follows
	authors *recent[string, *author]
	rooms   *recent[realtime.RoomID, *quota]
	rulings *recent[realtime.RoomID, *ruling]
	spoke   *recent[seat, *time.Time]
	hearts  map[realtime.RoomID]int64 // not cast yet
}

// New makes a chat; Run casts its hearts.
func New(cfg Config) (*Chat, error) {
	if cfg.Cast == nil {
		return nil, errors.New("chat: Cast is needed")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Chat{
		cfg: cfg, metrics: newMetrics(cfg.Metrics),
		authors: newRecent[string, *author](MaxAuthors), rooms: newRecent[realtime.RoomID, *quota](MaxRooms),
		rulings: newRecent[realtime.RoomID, *ruling](MaxRooms), spoke: newRecent[seat, *time.Time](MaxAuthors), seldom: rate.Sometimes{Interval: time.Minute},
		hearts: map[realtime.RoomID]int64{},
	}, nil
}

// Call answers a page. It fits ws.Config.Call.
func (c *Chat) Call(ctx context.Context, from realtime.Caller, name string, data json.RawMessage) (answer any, err error) {
	switch name {
	case CallSay:
		answer, err = c.say(ctx, from, data)
	case CallHearts:
		err = c.heart(from, data)
	default:
		return nil, realtime.UnknownCall(name)
	}
	var refused *realtime.CallError
	switch {
	case errors.As(err, &refused):
		c.metrics.refused.WithLabelValues(refused.Code).Inc()
	case err != nil:
		c.metrics.refused.WithLabelValues(realtime.CallUnavailable).Inc()
	}
	return answer, err
}

func (c *Chat) say(ctx context.Context, from realtime.Caller, data json.RawMessage) (any, error) {
	if from.Subject == "" {
		return nil, refuse(CodeNoIdentity, "Nobody knows who you are. Open the show's page first, with cookies allowed.")
	}
	var said struct {
		Text *string `json:"text"`
	}
	if json.Unmarshal(data, &said) != nil || said.Text == nil {
		return nil, refuse(realtime.CallInvalid, `chat.say takes {"text":"…"}.`)
	}
	text, err := clean(*said.Text)
	if err != nil {
		return nil, err
	}
	if isCommand(text) {
		return c.command(ctx, from, text)
	}
	rules := c.rulesOf(ctx, from.Room)
	now := c.cfg.Now()
	line := Line{ID: lineID(from), Subject: from.Subject, Name: from.Name, Role: from.Role.String(), Text: text, At: now.UnixMilli()}
	let, err := c.mayBeSaid(from, line.ID, rules, now)
	if err != nil {
		return nil, err
	}
	if !let.again {
		err = c.cast(ctx, from, line, let, now)
	}
	return Said{ID: line.ID}, err
}

// leave is what the fences said of a line.
type leave struct {
	again  bool      // it was said before
	free   bool      // it is being said at this moment: the same call, sent again
	before time.Time // when its author spoke last
}

// cast says a line that the fences have let through. What it cost is given
// back when it could not be said.
func (c *Chat) cast(ctx context.Context, from realtime.Caller, line Line, let leave, now time.Time) error {
	e, err := line.event(from.Role)
	if err == nil {
		err = c.cfg.Cast(ctx, from.Room, e)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	author := c.authorOf(from, now)
	if !let.free {
		author.saying = slices.DeleteFunc(author.saying, func(id string) bool { return id == line.ID })
	}
	known := author.hasSaid(line.ID)
	if err != nil {
		if spoke := c.spokeIn(from); !let.free && !known {
			author.lines.giveBack(linePace)
			if spoke.Equal(now) {
				*spoke = let.before
			}
		}
		return fmt.Errorf("chat in %s: %w", from.Room, err)
	}
	if !known {
		author.said(line.ID)
		c.metrics.lines.Inc()
	}
	return nil
}

// mayBeSaid asks the fences.
func (c *Chat) mayBeSaid(from realtime.Caller, id string, rules Rules, now time.Time) (leave, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	author := c.authorOf(from, now)
	if author.hasSaid(id) {
		return leave{again: true}, nil
	}
	if slices.Contains(author.saying, id) {
		return leave{free: true}, nil
	}
	if err := c.ruled(from, rules, now); err != nil {
		return leave{}, err
	}
	if wait := author.lines.take(now, linePace); wait > 0 {
		return leave{}, tooOften(wait)
	}
	room := c.rooms.get(from.Room, func() *quota { return &quota{} })
	if wait := room.take(now, from.Role != realtime.RoleViewer); wait > 0 {
		author.lines.giveBack(linePace)
		return leave{}, &realtime.CallError{Code: CodeRoomBusy, Detail: "Very many are writing just now. Try again in a moment.", RetryAfter: wait}
	}
	spoke := c.spokeIn(from)
	let := leave{before: *spoke}
	*spoke = now
	author.saying = append(author.saying, id)
	return let, nil
}

func tooOften(wait time.Duration) error {
	return &realtime.CallError{Code: CodeTooOften, Detail: "You write faster than others can read. Wait a moment.", RetryAfter: wait}
}

// authorOf needs mu.
func (c *Chat) authorOf(from realtime.Caller, now time.Time) *author {
	return c.authors.get(from.Subject, func() *author { return &author{lines: bucket{now}, hearts: bucket{now}} })
}

// lineID is the same for a call that is made again.
func lineID(from realtime.Caller) string {
	call := from.Call
	if call == "" { // no answer is wanted, so that nobody can ask again
		call = uuid.NewString()
	}
	sum := sha256.Sum256([]byte(string(from.Room) + "\n" + from.Subject + "\n" + call))
	return "lin_" + hex.EncodeToString(sum[:16])
}

func (l Line) event(role realtime.Role) (realtime.Event, error) {
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false) // frames are no HTML, and < would be six bytes
	if err := enc.Encode(l); err != nil {
		return realtime.Event{}, err
	}
	return realtime.Event{
		Type: TypeLine, Class: realtime.Sampled, ID: l.ID, By: l.Subject, Keep: true, Priority: role != realtime.RoleViewer,
		Data: bytes.TrimSuffix(data.Bytes(), []byte("\n")),
	}, nil
}

func refuse(code, detail string) error { return &realtime.CallError{Code: code, Detail: detail} }
