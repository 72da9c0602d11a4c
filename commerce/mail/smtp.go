package mail

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// sendWithin bounds a whole delivery, from the dial to the server's last word. It is below what the outbox gives
	// a handler.
	sendWithin = 15 * time.Second
	// partWithin is how long a server that has the message may take to say goodbye.
	partWithin = time.Second
	// maxWords is how much of what a server said is kept.
	maxWords = 300
)

// SMTP is a Mailer that hands messages to a mail server. It keeps no connection: a shop sends a mail now and then.
type SMTP struct {
	// static after NewSMTP
	host     string
	port     int
	user     string
	password string
	tls      transport
	from     mail.Address
	domain   string // of from
	roots    *x509.CertPool
	within   time.Duration
	now      func() time.Time
}

// transport is how the way to the server is kept secret.
type transport int

const (
	startTLS transport = iota // or no mail
	implicitTLS
	noTLS
)

// NewSMTP reads SMTP_URL and MAIL_FROM. Its errors are for whoever wrote the settings, and repeat no password.
//
//	smtp://user:password@host:587      STARTTLS, demanded unless the host is this machine
//	smtps://user:password@host:465     TLS from the first byte
//	smtp://host:25?tls=none            in the clear; ?tls=starttls demands it of this machine too
//
// from is like "Rialto <shop@example.com>".
func NewSMTP(address, from string) (*SMTP, error) {
	s := &SMTP{within: sendWithin, now: time.Now}
	var wrong []error
	if err := s.readURL(address); err != nil {
		wrong = append(wrong, fmt.Errorf("SMTP_URL %w; it is like smtp://user:password@mail.example:587, with %%40 for an @ in the name", err))
	}
	parsed, err := mail.ParseAddress(from)
	if err != nil || !isAddress(parsed.Address) || !isASCII(parsed.Address) || !oneLine(parsed.Name) {
		wrong = append(wrong, errors.New("MAIL_FROM is not the address of a sender, like Rialto <shop@example.com>"))
		return nil, errors.Join(wrong...)
	}
	s.from = *parsed
	_, s.domain, _ = strings.Cut(s.from.Address, "@")
	return s, errors.Join(wrong...)
}

func (s *SMTP) readURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil: // its text would repeat the password
		return errors.New("is no address")
	case u.Scheme != "smtp" && u.Scheme != "smtps":
		return errors.New("begins with smtp:// or smtps://")
	case u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.Fragment != "":
		return errors.New("names a host and nothing after it")
	}
	s.host, s.port, s.tls = u.Hostname(), 587, startTLS
	if isLocal(s.host) {
		s.tls = noTLS
	}
	if u.Scheme == "smtps" {
		s.port, s.tls = 465, implicitTLS
	}
	if text := u.Port(); text != "" {
		if s.port, err = strconv.Atoi(text); err != nil || s.port < 1 || s.port > 65535 {
			return errors.New("has a port that is none")
		}
	}
	s.user = u.User.Username()
	s.password, _ = u.User.Password()
	if (s.user == "") != (s.password == "") {
		return errors.New("has half of a name and a password")
	}
	return s.readOptions(u)
}

func (s *SMTP) readOptions(u *url.URL) error {
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("has an option that cannot be read")
	}
	for name, values := range options {
		switch {
		case name != "tls" || len(values) != 1:
			return errors.New("has one option: tls")
		case u.Scheme == "smtps":
			return errors.New("with smtps:// is always TLS and takes no tls=")
		case values[0] == "none":
			s.tls = noTLS
		case values[0] == "starttls":
			s.tls = startTLS
		default:
			return errors.New("takes tls=none or tls=starttls")
		}
	}
	return nil
}

// isLocal says whether what is sent to host leaves this machine.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// Shop is the sender's name for people: that of MAIL_FROM, or its domain.
func (s *SMTP) Shop() string {
	if s.from.Name != "" {
		return s.from.Name
	}
	return s.domain
}

// Send hands m to the server, within sendWithin.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	if err := schema.Outside(ctx); err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	message, err := s.compose(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel() // which closes the connection too; see dial
	client, err := s.client(ctx, isASCII(m.To))
	if err != nil {
		return fmt.Errorf("smtp: %w", err)
	}
	line, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return s.failure(ctx, "before any mail was offered", err)
	}
	err = client.SendWithSMTPClient(line, message)
	if err != nil && !message.IsDelivered() {
		return s.verdict(ctx, err, m.To)
	}
	defer time.AfterFunc(partWithin, cancel).Stop()
	_ = client.CloseWithSMTPClient(line) // the server has the message; how we part says nothing about it
	return nil
}

// compose makes the mail with its headers.
func (s *SMTP) compose(m Message) (*gomail.Msg, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	from := s.from
	message.FromMailAddress(&from)
	message.ToMailAddress(&mail.Address{Address: m.To})
	message.Subject(m.Subject)
	message.SetMessageIDWithValue(s.messageID(m.ID))
	message.SetDateWithValue(s.now().UTC())
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		message.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return message, nil
}

// messageID is the same for the same effect, and tells nothing of it.
func (s *SMTP) messageID(id string) string {
	sum := sha256.Sum256([]byte("rialto mail " + id))
	return hex.EncodeToString(sum[:16]) + "@" + s.domain
}

// client is set up for one delivery.
func (s *SMTP) client(ctx context.Context, ascii bool) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(s.within), gomail.WithHELO(s.domain), gomail.WithoutNoop(), gomail.WithoutRset(),
		gomail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return s.dial(ctx) }),
		gomail.WithTLSConfig(s.tlsConfig()), gomail.WithTLSPolicy(gomail.NoTLS),
	}
	if s.tls == startTLS {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if ascii {
		// Asked of a server for an address that does not need it, it can make a later one refuse the mail.
		options = append(options, gomail.WithoutSMTPUTF8())
	}
	switch {
	case s.user == "":
	case s.tls == noTLS: // which its owner has chosen
		options = append(options, gomail.WithUsername(s.user), gomail.WithPassword(s.password), gomail.WithSMTPAuth(gomail.SMTPAuthPlainNoEnc))
	default:
		options = append(options, gomail.WithUsername(s.user), gomail.WithPassword(s.password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5))
	}
	return gomail.NewClient(s.host, options...)
}

func (s *SMTP) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12, RootCAs: s.roots}
}

// dial connects, and closes the connection when ctx is over: nothing that a server does or leaves undone lasts
// longer, and a dialogue that broke off leaves no connection behind.
func (s *SMTP) dial(ctx context.Context) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(s.host, strconv.Itoa(s.port)))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() }) // it may be closed already
	if s.tls != implicitTLS {
		return conn, nil
	}
	secured := tls.Client(conn, s.tlsConfig())
	return secured, secured.HandshakeContext(ctx)
}

// verdict tells a recipient or a message that will never be taken from everything that may be better later. That the
// server does not take our sender or our sign-in says nothing about the recipient.
func (s *SMTP) verdict(ctx context.Context, err error, to string) error {
	var refusal *gomail.SendError
	if !errors.As(err, &refusal) || refusal.ErrorCode() < 500 {
		return s.failure(ctx, "while the mail was offered", err, to)
	}
	switch refusal.Reason {
	case gomail.ErrSMTPRcptTo:
		return fmt.Errorf("%w: the server does not take the recipient: %s", ErrRefused, s.words(err, to))
	case gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		return fmt.Errorf("%w: the server does not take the message: %s", ErrRefused, s.words(err, to))
	}
	return s.failure(ctx, "while the mail was offered", err, to)
}

// failure is an error that says where it happened, without what nobody shall read.
func (s *SMTP) failure(ctx context.Context, when string, err error, hide ...string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("smtp: %s: no answer in %s: %w", when, s.within, context.Cause(ctx))
	}
	return fmt.Errorf("smtp: %s: %s", when, s.words(err, hide...))
}

// words is what went wrong, short, without the password, which a server may repeat, and without what else to hide:
// errors go to logs, where nobody's address belongs.
func (s *SMTP) words(err error, hide ...string) string {
	text := err.Error()
	var said *textproto.Error
	if errors.As(err, &said) {
		text = said.Error()
	}
	if s.password != "" {
		b64 := base64.StdEncoding.EncodeToString
		hide = append(hide, s.password, b64([]byte(s.password)), b64([]byte("\x00"+s.user+"\x00"+s.password)))
	}
	for _, secret := range hide {
		text = strings.ReplaceAll(text, secret, "…")
	}
	return flat(text, maxWords)
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 }) }
