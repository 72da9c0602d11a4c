package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a Message.
const (
	MaxAddress = 254 // bytes, by RFC 5321
	MaxSubject = 200 // characters
	MaxID      = 200 // bytes, as the outbox has it
	// MaxPart is the most bytes of the text and of the HTML.
	MaxPart = 256 << 10
)

var (
	// ErrRefused: no further try can help. The server does not take this recipient or this message.
	ErrRefused = errors.New("the mail was refused for good")
	// ErrOff: no mail is sent here.
	ErrOff = errors.New("no mail is set up here")
)

// Message is one mail to one person.
type Message struct {
	// ID is the outbox effect's id, the same at each try. The Message-ID header is made of it.
	ID      string
	To      string // a bare address: ann@example.com
	Subject string // one line
	Text    string
	HTML    string
}

// Mailer takes messages away. Send returns nil when somebody else answers for the message; ErrRefused when nobody
// ever will; after any other error the same message is sent again later. It refuses to work inside a transaction.
type Mailer interface {
	Send(ctx context.Context, m Message) error
}

// None is the Mailer of an installation without mail.
type None struct{}

// Send says ErrOff.
func (None) Send(context.Context, Message) error { return ErrOff }

// Check says what of m can never be sent. The error matches ErrRefused.
func (m Message) Check() error {
	switch {
	case m.ID == "" || len(m.ID) > MaxID:
		return fmt.Errorf("%w: a message has an id of 1 to %d bytes", ErrRefused, MaxID)
	case !isAddress(m.To):
		return fmt.Errorf("%w: the recipient is no address of at most %d bytes", ErrRefused, MaxAddress)
	case strings.TrimSpace(m.Subject) == "" || utf8.RuneCountInString(m.Subject) > MaxSubject || !oneLine(m.Subject):
		return fmt.Errorf("%w: a subject is one line of 1 to %d characters", ErrRefused, MaxSubject)
	case m.Text == "" || len(m.Text) > MaxPart || len(m.HTML) > MaxPart || !utf8.ValidString(m.Text) || !utf8.ValidString(m.HTML):
		return fmt.Errorf("%w: a message has a text, and no part is larger than %d bytes", ErrRefused, MaxPart)
	}
	return nil
}

// isAddress says whether s is a bare address that fits in one command of SMTP.
func isAddress(s string) bool {
	if len(s) > MaxAddress || !oneLine(s) || strings.ContainsAny(s, " <>\"") {
		return false
	}
	parsed, err := mail.ParseAddress(s)
	return err == nil && parsed.Address == s && parsed.Name == ""
}

// oneLine says whether s can stand in a header: valid, and without line breaks or other controls.
func oneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, breaks)
}

// breaks also knows the separators that Unicode has beside the controls.
func breaks(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// flat makes one line of what people have typed, of at most limit characters.
func flat(s string, limit int) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if breaks(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))), " ")
	if runes := []rune(s); len(runes) > limit {
		return strings.TrimSpace(string(runes[:limit-1])) + "…"
	}
	return s
}
