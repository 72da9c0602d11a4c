package rush

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rialto-live/rialto/commerce/api"
)

// What frames are made of (RFC 6455, section 5.2). Ours are masked with nothing, which is a mask like any other.
const (
	textFrame   = 0x81 // final, text
	masked      = 0x80
	twoBytes    = 126 // the length follows in two bytes
	eightBytes  = 127
	opBits      = 0x0F
	lengthBits  = 0x7F
	opText      = 0x1
	opClose     = 0x8
	maskBytes   = 4
	plainHeader = 2

	// joinTries bounds how often a line asks again to be let in, when the node says that a crowd is coming.
	joinTries = 50
	joinRest  = 100 * time.Millisecond
)

// overSocket taps by calls of hold.put in the show's room. The node takes each for another person's: `rialto bench node`.
type overSocket struct {
	market
	join, before, after []byte
	calls               int
}

func dialSocket(_ context.Context, m market) (wire, error) {
	return &overSocket{
		market: m,
		join:   fmt.Appendf(nil, `{"t":"join","room":%q}`, m.show),
		before: fmt.Appendf(nil, `","call":%q,"d":{"hold":"`, api.CallHold),
		after:  fmt.Appendf(nil, `","variant":%q,"quantity":1,"unit":4900}}`, m.variant),
	}, nil
}

// greet opens the WebSocket and joins.
func (w *overSocket) greet(l *line) error {
	for try := 1; ; try++ {
		if err := l.write(fmt.Appendf(nil, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Forwarded-For: 127.1.%d.%d\r\n\r\n", w.node.addr, l.fd>>8&255, l.fd&255)); err != nil {
			return err
		}
		status, err := l.head()
		if err != nil {
			return err
		}
		if strings.Contains(status, " 101 ") {
			break
		}
		if !strings.Contains(status, " 503 ") || try == joinTries {
			return fmt.Errorf("no WebSocket: %s", status)
		}
		time.Sleep(joinRest)
	}
	if err := l.write(frame(nil, w.join)); err != nil {
		return err
	}
	for {
		text, n, err := text(l.rest)
		if err != nil {
			return err
		}
		if n == 0 {
			if err := l.read(); err != nil {
				return err
			}
			continue
		}
		joined := bytes.HasPrefix(text, []byte(`{"t":"joined"`))
		l.rest = append(l.rest[:0], l.rest[n:]...)
		if joined {
			return nil
		}
	}
}

// head reads the answer to a request for a WebSocket, and returns its first line. A refusal's body is read, too.
func (l *line) head() (string, error) {
	for {
		if end := bytes.Index(l.rest, headEnd); end >= 0 {
			head, body := string(l.rest[:end+2]), 0
			if at := strings.Index(head, string(lengthName)); at >= 0 {
				digits, _, _ := strings.Cut(head[at+len(lengthName):], "\r\n")
				body, _ = strconv.Atoi(digits)
			}
			if len(l.rest) >= end+len(headEnd)+body {
				l.rest = append(l.rest[:0], l.rest[end+len(headEnd)+body:]...)
				status, _, _ := strings.Cut(head, "\r\n")
				return status, nil
			}
		}
		if err := l.read(); err != nil {
			return "", err
		}
	}
}

func (w *overSocket) tap(out []byte) []byte {
	w.calls++
	out = append(out, textFrame, masked|twoBytes, 0, 0, 0, 0, 0, 0)
	from := len(out)
	out = append(out, `{"t":"call","id":"`...)
	out = append(strconv.AppendInt(out, int64(w.calls), 10), w.before...)
	out = append(appendHold(out), w.after...)
	binary.BigEndian.PutUint16(out[from-maskBytes-2:], uint16(len(out)-from))
	return out
}

// frame appends a text frame with a text of less than twoBytes.
func frame(out, text []byte) []byte {
	return append(append(out, textFrame, masked|byte(len(text)), 0, 0, 0, 0), text...)
}

var replies, refusals = []byte(`{"t":"reply"`), []byte(`"error":{`)

func (w *overSocket) answer(in []byte) (int, outcome, error) {
	text, n, err := text(in)
	switch {
	case err != nil || n == 0 || !bytes.HasPrefix(text, replies):
		return n, noOutcome, err
	case !bytes.Contains(text, refusals):
		return n, won, nil
	case bytes.Contains(text, soldOut):
		return n, lost, nil
	}
	return 0, noOutcome, fmt.Errorf("a tap over a WebSocket was answered %.600q", text)
}

// text is the first frame of the bytes, with its length; n is 0 when it is not all there. What is no text reads as "".
func text(in []byte) (payload []byte, n int, err error) {
	if len(in) < plainHeader {
		return nil, 0, nil
	}
	from, length := plainHeader, uint64(in[1]&lengthBits)
	switch {
	case length == twoBytes && len(in) >= from+2:
		length, from = uint64(binary.BigEndian.Uint16(in[from:])), from+2
	case length == eightBytes && len(in) >= from+8:
		length, from = binary.BigEndian.Uint64(in[from:]), from+8
	case length >= twoBytes:
		return nil, 0, nil
	}
	if length > maxAnswer {
		return nil, 0, errEndless
	}
	end := from + int(length)
	if len(in) < end {
		return nil, 0, nil
	}
	switch in[0] & opBits {
	case opClose:
		return nil, 0, fmt.Errorf("%w: %.200q", errEnded, in[from:end])
	case opText:
		if in[0] != textFrame {
			return nil, 0, errors.New("a frame in pieces, or compressed")
		}
		return in[from:end], end, nil
	}
	return nil, end, nil
}
