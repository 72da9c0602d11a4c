package realtime

import "fmt"

// Code is a WebSocket close code of ours.
type Code int

// Close codes. 40xx say "come again", 41xx say "do not, until something has
// changed"; protocol.md explains each to the page's author.
const (
	CodeReconnect   Code = 4000 // this node is leaving; the reason carries reconnect_after
	CodeSlow        Code = 4001 // the viewer could not keep up
	CodeUnavailable Code = 4002 // the room cannot be read just now
	CodeFull        Code = 4003 // this node holds as many viewers as it may
	CodeUnknownRoom Code = 4100
	CodeForbidden   Code = 4101 // banned, or a right was taken back
	CodeSignedOut   Code = 4102
	CodeRoomClosed  Code = 4103
	CodeBadMessage  Code = 4110
	CodeTooMany     Code = 4111 // messages from the client
	CodeJoinTimeout Code = 4112
	CodeTooLarge    Code = 4113

	CodeNormal   Code = 1000 // the answer to the page's own close
	CodeProtocol Code = 1002 // broken frames
)

const (
	maxCloseReason        = 123 // bytes, by RFC 6455
	reconnectReasonFormat = `{"reconnect_after":%d}`
)

// CodeInfo is one row of the table in protocol.md.
type CodeInfo struct {
	Code      Code
	Name      string
	Reconnect bool
}

// Codes lists every code that a server of ours sends.
func Codes() []CodeInfo {
	return []CodeInfo{
		{CodeReconnect, "reconnect", true},
		{CodeSlow, "slow", true},
		{CodeUnavailable, "unavailable", true},
		{CodeFull, "full", true},
		{CodeUnknownRoom, "unknown_room", false},
		{CodeForbidden, "forbidden", false},
		{CodeSignedOut, "signed_out", false},
		{CodeRoomClosed, "room_closed", false},
		{CodeBadMessage, "bad_message", false},
		{CodeTooMany, "too_many_messages", false},
		{CodeJoinTimeout, "join_timeout", true},
		{CodeTooLarge, "too_large", false},
	}
}

// Reconnect reports whether a client that was closed with c should come again
// by itself. Codes that are not ours (1001, 1006, 1011 …) come from the network
// or a proxy, and it should.
func (c Code) Reconnect() bool {
	for _, info := range Codes() {
		if info.Code == c {
			return info.Reconnect
		}
	}
	return c < 4100 || c >= 4200
}

func (c Code) String() string {
	for _, info := range Codes() {
		if info.Code == c {
			return info.Name
		}
	}
	switch c {
	case CodeNormal:
		return "normal"
	case CodeProtocol:
		return "protocol"
	}
	return fmt.Sprintf("code %d", int(c))
}

// CloseError is why a join was refused or a viewer closed.
type CloseError struct {
	Code   Code
	Reason string // plain words for the person at the page
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("closed: %s (%d): %s", e.Code, int(e.Code), e.Reason)
}
