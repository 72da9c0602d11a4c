package mailtest

import (
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
)

// Mail is a message as it arrived.
type Mail struct {
	Header  mail.Header
	Subject string // decoded
	From    mail.Address
	Text    string
	HTML    string
	Raw     string
}

// Received reads what has arrived for a person (the part before the @), the oldest first. The server has one Maildir: it
// makes no path of what strangers send.
func (s *Server) Received(person string) (all []Mail) {
	s.tb.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "mail", "new", "*"))
	s.must(err)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		s.must(err)
		if m := s.parse(string(raw)); strings.EqualFold(m.Header.Get("Envelope-To"), person+"@"+Domain) {
			all = append(all, m)
		}
	}
	return all
}

// Await returns when at least n mails have arrived for a person.
func (s *Server) Await(person string, n int) (all []Mail) {
	s.tb.Helper()
	s.await("mail for "+person, func() bool {
		all = s.Received(person)
		return len(all) >= n
	})
	return all
}

func (s *Server) parse(raw string) Mail {
	s.tb.Helper()
	message, err := mail.ReadMessage(strings.NewReader(raw))
	s.must(err)
	m := Mail{Header: message.Header, Raw: raw}
	m.Subject, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
	s.must(err)
	from, err := mail.ParseAddress(message.Header.Get("From"))
	s.must(err)
	m.From = *from
	kind, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	s.must(err)
	if kind != "multipart/alternative" {
		s.tb.Fatalf("mailtest: a mail of type %s", kind)
	}
	for parts := multipart.NewReader(message.Body, params["boundary"]); ; {
		part, err := parts.NextPart() // which decodes quoted-printable
		if err == io.EOF {
			return m
		}
		s.must(err)
		text, err := io.ReadAll(part)
		s.must(err)
		switch kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type")); {
		case err != nil || !strings.EqualFold(params["charset"], "utf-8"):
			s.tb.Fatalf("mailtest: a part of type %q: %v", part.Header.Get("Content-Type"), err)
		case kind == "text/plain":
			m.Text = strings.ReplaceAll(string(text), "\r\n", "\n")
		case kind == "text/html":
			m.HTML = strings.ReplaceAll(string(text), "\r\n", "\n")
		}
	}
}
