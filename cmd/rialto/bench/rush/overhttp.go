package rush

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/guard"
)

// invited are the cookies of guests, as the API would have made them, and whose turn it is. A node has one list.
type invited struct {
	cookies []string
	next    int
}

// invite makes the cookies of all guests: a visit of each would take longer than the sale.
func (n *node) invite() error {
	signer, err := guard.NewSigner(time.Now, n.secret)
	if err != nil {
		return err
	}
	n.guests = &invited{}
	for range guests {
		token, err := signer.Sign(guard.Claims{
			Kind: guard.Guest, Subject: commerce.NewID[commerce.GuestID]().String(), Expires: time.Now().Add(api.GuestLife).Unix(),
		})
		if err != nil {
			return err
		}
		n.guests.cookies = append(n.guests.cookies, token)
	}
	return nil
}

// overHTTP taps by PUT /api/v1/holds/{id}. Each tap is another guest's, and comes from an address of its own, as through a
// proxy that keeps connections to the node.
type overHTTP struct {
	*invited
	before, body []byte
}

func dialHTTP(_ context.Context, m market) (wire, error) {
	body := fmt.Appendf(nil, `{"show":%q,"variant":%q,"quantity":1,"unit":4900}`, m.show, m.variant)
	return &overHTTP{
		invited: m.node.guests, body: body,
		before: fmt.Appendf(nil, " HTTP/1.1\r\nHost: %s\r\nUser-Agent: rialto-bench\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: %d\r\nCookie: %s=",
			m.node.addr, len(body), api.GuestCookie),
	}, nil
}

func (w *overHTTP) greet(*line) error { return nil }

func (w *overHTTP) tap(out []byte) []byte {
	w.next++
	out = appendHold(append(out, "PUT "+api.Base+"/holds/"...))
	out = append(append(out, w.before...), w.cookies[w.next%len(w.cookies)]...)
	out = append(out, "\r\nX-Forwarded-For: 10"...)
	for _, part := range []int{w.next >> 16, w.next >> 8, w.next} {
		out = strconv.AppendInt(append(out, '.'), int64(part&255), 10)
	}
	return append(append(out, "\r\n\r\n"...), w.body...)
}

// appendHold appends a new id of a hold.
func appendHold(out []byte) []byte {
	id := commerce.NewID[commerce.HoldID]()
	return hex.AppendEncode(append(out, "hld_"...), id[:])
}

var (
	headEnd    = []byte("\r\n\r\n")
	lengthName = []byte("\r\nContent-Length: ")
	soldOut    = []byte(`"code":"sold_out"`)
)

// statusAt is where the status stands in the first line of an answer.
const statusAt = len("HTTP/1.1 ")

func (w *overHTTP) answer(in []byte) (int, outcome, error) {
	head := bytes.Index(in, headEnd)
	if head < 0 {
		return 0, noOutcome, nil
	}
	at := bytes.Index(in[:head+2], lengthName)
	if at < 0 {
		return 0, noOutcome, fmt.Errorf("an answer without a length: %.200q", in)
	}
	length := 0
	for _, digit := range in[at+len(lengthName) : head+2] {
		if digit < '0' || digit > '9' || length > maxAnswer {
			break
		}
		length = length*10 + int(digit-'0')
	}
	body := head + len(headEnd)
	if len(in) < body+length {
		return 0, noOutcome, nil
	}
	whole := in[:body+length]
	switch status := string(whole[statusAt : statusAt+3]); {
	case status == "201":
		return len(whole), won, nil
	case status == "409" && bytes.Contains(whole[body:], soldOut):
		return len(whole), lost, nil
	}
	return 0, noOutcome, fmt.Errorf("a tap over HTTP was answered %.600q", whole)
}
