package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

const (
	postTimeout = 10 * time.Second // a call has been done when its request is answered
	// maxSaid is how many calls wait until those before them have been heard:
	// all that may wait for answers, and as many that want none.
	maxSaid = 2 * MaxCalls
	// reasonWithin is how long a stream may take to say why nothing is heard
	// there any more.
	reasonWithin = time.Second
	maxProblem   = 4 << 10 // bytes of a refusal that are looked at
	lineBuffer   = 4 << 10
)

// stream is a room's line where WebSockets are blocked: an answer that does not
// end, and a request for each thing that is said (protocol.md, "Without
// WebSockets").
type stream struct {
	// static
	url    string // what is said goes there
	header http.Header
	client *http.Client
	ctx    context.Context // of its requests
	stop   context.CancelCauseFunc
	body   io.Closer
	calls  chan callMessage
	pings  chan pingMessage
	saying sync.WaitGroup

	// owned by Run
	lines *bufio.Scanner
	late  *time.Timer // ends a line on which nothing comes
}

// httpClient never follows to another place: a room does not send anybody there.
func httpClient(dial func(context.Context, string, string) (net.Conn, error), secure *tls.Config) http.Client {
	return http.Client{
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: secure.Clone(), TLSHandshakeTimeout: dialTimeout, ForceAttemptHTTP2: true,
			DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var (
	errSilent = errors.New("the server has said nothing for too long")
	errEnded  = errors.New("the line was let go")
)

func (c *Client) openStream(ctx context.Context) (line, error) {
	s := &stream{
		header: c.cfg.Header.Clone(), client: &c.client,
		calls: make(chan callMessage, maxSaid), pings: make(chan pingMessage, 1),
	}
	if s.header == nil {
		s.header = http.Header{}
	}
	if c.cfg.Token != "" {
		s.header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	s.ctx, s.stop = context.WithCancelCause(ctx)
	s.late = time.AfterFunc(dialTimeout+joinTimeout, func() { s.stop(errSilent) })
	if err := s.open(c.cfg, c.Position()); err != nil {
		s.end()
		s.wait()
		return nil, err
	}
	return s, nil
}

// open asks for the stream and reads until it knows where to answer.
func (s *stream) open(cfg Config, at realtime.Position) error {
	query := url.Values{"room": {string(cfg.Room)}}
	if at.Epoch != "" {
		query.Set("epoch", at.Epoch)
		query.Set("o", strconv.FormatInt(at.Offset, 10))
	}
	answer, err := s.ask(s.ctx, http.MethodGet, cfg.URL+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	s.body = answer.Body
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		return refusal(answer)
	}
	s.lines = bufio.NewScanner(answer.Body)
	s.lines.Buffer(make([]byte, lineBuffer), maxFrame)
	event, data, err := s.block()
	if err != nil {
		return err
	}
	var told struct{ Line string }
	if event != "line" || json.Unmarshal(data, &told) != nil || told.Line == "" {
		return fmt.Errorf("a stream that begins with %.100q", data)
	}
	s.url = cfg.URL + "/" + url.PathEscape(told.Line)
	s.saying.Go(func() { say(s, s.calls) })
	s.saying.Go(func() { say(s, s.pings) }) // which do not wait for calls: that would be taken for the length of the way
	return nil
}

func (s *stream) ask(ctx context.Context, method, url string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	r.Header = s.header.Clone()
	return s.client.Do(r)
}

func (s *stream) read() ([]byte, error) {
	event, data, err := s.block()
	if err != nil || event == "" {
		return data, err
	}
	var told struct {
		Code   realtime.Code
		Reason string
	}
	if event != "close" || json.Unmarshal(data, &told) != nil {
		return nil, fmt.Errorf("a block that is none: %.20q %.100q", event, data)
	}
	return nil, &closedError{told.Code, told.Reason}
}

// block reads to the next blank line, over comments. Each of the server's has
// one line of data.
func (s *stream) block() (event string, data []byte, err error) {
	for s.lines.Scan() {
		if s.url != "" {
			s.late.Reset(silence)
		}
		field, value, _ := bytes.Cut(s.lines.Bytes(), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			event = string(value)
		case "data":
			data = bytes.Clone(value)
		case "":
			if len(s.lines.Bytes()) == 0 && data != nil {
				return event, data, nil
			}
		}
	}
	err = s.lines.Err()
	if s.ctx.Err() != nil {
		err = context.Cause(s.ctx)
	}
	if err == nil {
		err = io.ErrUnexpectedEOF // it did not say that it ends
	}
	return "", nil, fmt.Errorf("stream: %w", err)
}

func (s *stream) write(message said) error {
	if s.ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrNotJoined, context.Cause(s.ctx))
	}
	switch m := message.(type) {
	case pingMessage:
		select {
		case s.pings <- m:
		default: // the one before is on its way yet
		}
	case callMessage:
		select {
		case s.calls <- m:
		default:
			return ErrTooManyCalls
		}
	}
	return nil
}

// say posts what comes, one after the other, until the line ends. What did not
// arrive ends it: the next line makes unanswered calls again.
func say[M said](s *stream, waiting <-chan M) {
	for {
		select {
		case <-s.ctx.Done():
			return
		case m := <-waiting:
			if err := s.post(m); err != nil {
				select { // the line may have ended, and the reason be on its way
				case <-s.ctx.Done():
				case <-time.After(reasonWithin):
				}
				s.stop(err)
				return
			}
		}
	}
}

func (s *stream) post(m said) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("say: %w", err)
	}
	ctx, cancel := context.WithTimeout(s.ctx, postTimeout)
	defer cancel()
	answer, err := s.ask(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("say: %w", err)
	}
	defer answer.Body.Close()
	var problem struct{ Code string }
	if answer.StatusCode != http.StatusNoContent {
		_ = json.NewDecoder(io.LimitReader(answer.Body, maxProblem)).Decode(&problem)
	}
	switch {
	case answer.StatusCode == http.StatusNoContent:
	case problem.Code == realtime.CodeBadMessage.String(), problem.Code == realtime.CodeTooLarge.String(), problem.Code == realtime.CodeTooMany.String():
		// The stream ends with that, and says so.
	default:
		return fmt.Errorf("say: %s %.40s", answer.Status, problem.Code)
	}
	return nil
}

func (s *stream) end() { s.stop(errEnded) }

func (s *stream) wait() {
	s.late.Stop()
	s.saying.Wait()
	if s.body != nil {
		_ = s.body.Close()
	}
	s.client.CloseIdleConnections()
}
