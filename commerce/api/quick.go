package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/stock"
)

// Taps come by the thousand in a second, and nearly all are written as our pages write them. Those are read, answered and
// written here, by the same rules and in the same words as by the operation putHold, without what a description that
// fits every operation costs. Whatever is written in another way, or is wrong, goes the way of all requests.

const (
	holdsPath    = Base + "/holds/"
	putHoldRoute = "PUT /holds/{hold}"
	maxTapBody   = 4 << 10 // as of putHold
	// maxTapNumber is how many digits a number of a tap has at most to be read here.
	maxTapNumber = 15
)

// quickHold answers a tap that is written as usual; false: it did nothing but read the body, which can be read again.
func (a *API) quickHold(req *request) bool {
	r := req.r
	text, ok := strings.CutPrefix(r.URL.Path, holdsPath)
	if !ok || r.Method != http.MethodPut || a.config.Sale.Checkout == nil || r.URL.RawPath != "" || r.URL.RawQuery != "" || !usual(r) {
		return false
	}
	id, err := commerce.Parse[commerce.HoldID](text)
	if err != nil {
		return false
	}
	said, ok := readTapBody(req)
	if !ok {
		return false
	}
	req.route = putHoldRoute
	req.w.Header()["Cache-Control"] = noStore
	h, err := a.putHold(req, checkout.HoldRequest{ID: id, Show: said.show, Variant: said.variant, Quantity: said.quantity, Unit: said.unit})
	if err != nil {
		req.refuse(a.refusedTap(req, err))
		return true
	}
	b := append(appendHold(nil, holdOf(h)), '\n')
	req.w.Header()["Content-Type"] = jsonBody
	req.w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	req.w.WriteHeader(madeStatus(h))
	_, _ = req.w.Write(b) // the client may be gone; its next tap of this id finds the hold
	return true
}

// usual says whether a request for an operation with a body asks for nothing special.
func usual(r *http.Request) bool {
	accept := r.Header["Accept"]
	return len(accept) == 0 || len(accept) == 1 && (accept[0] == "*/*" || accept[0] == "application/json")
}

// putHold counts and judges a tap that came over HTTP. From when it is judged on it goes on without its client, as one in a
// room does.
func (a *API) putHold(req *request, tap checkout.HoldRequest) (checkout.Held, error) {
	if err := a.limit(req, holdRule); err != nil {
		return checkout.Held{}, err
	}
	req.tap = tapContext{a.taps.within(), req}
	who, err := a.tapper(&req.tap)
	if err != nil {
		return checkout.Held{}, err
	}
	tap.Buyer = who.Subject
	return a.hold(&req.tap, tap)
}

// tapContext is what a tap is judged within: of its request, and with a time of its own. The request's own context stays what it
// is: what was begun with it (a limit that waits for Redis) may still look at it.
type tapContext struct {
	context.Context
	of *request
}

// Value makes the request known to all that is done for it.
func (c *tapContext) Value(key any) any {
	if key == (requestKey{}) {
		return c.of
	}
	return c.Context.Value(key)
}

// tapSlice is for how long taps share the context that ends them.
const tapSlice = time.Second

// tapTime is what taps are judged within: a context of its own for each would cost more than some of what is done in it.
type tapTime struct {
	mu    sync.Mutex
	ctx   context.Context // guarded by mu
	began time.Time       // when it was made; guarded by mu
}

// within is a context that ends in answerWithin, or up to tapSlice before that.
func (t *tapTime) within() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.ctx == nil || now.Sub(t.began) >= tapSlice {
		ctx, end := bounded(context.Background(), answerWithin)
		time.AfterFunc(answerWithin, end)
		t.ctx, t.began = ctx, now
	}
	return t.ctx
}

// refusedTap is asProblem, which would look through the errors of everything else before it comes to what nearly all
// taps of a rush are told.
func (a *API) refusedTap(ctx context.Context, err error) *Problem {
	if e, ok := err.(*stock.SoldOutError); ok {
		return soldOut(e)
	}
	return a.asProblem(ctx, err)
}

// madeStatus is 201 for a hold that was made now.
func madeStatus(h checkout.Held) int {
	if h.Replayed {
		return http.StatusOK
	}
	return http.StatusCreated
}

var tapBodies = sync.Pool{New: func() any { return new([maxTapBody]byte) }}

// readTapBody reads the body of a tap. When it is not written as usual it can be read again.
func readTapBody(req *request) (said tapWords, ok bool) {
	r := req.r
	if kind := r.Header["Content-Type"]; len(kind) != 1 || kind[0] != "application/json" || r.ContentLength <= 0 || r.ContentLength > maxTapBody {
		return said, false
	}
	space := tapBodies.Get().(*[maxTapBody]byte)
	defer tapBodies.Put(space)
	_ = huma.SetReadDeadline(req.w, time.Now().Add(bodyWithin)) // where there are none, the server's own holds
	n, err := io.ReadFull(r.Body, space[:r.ContentLength])
	if err == nil {
		said, ok = readTap(space[:n])
	}
	// What must be there, as the description says; whoever forgets it is told by the one who reads it.
	if ok && said.has&(saidShow|saidVariant|saidQuantity|saidHold) == saidShow|saidVariant|saidQuantity {
		return said, true
	}
	r.Body = readAgain{io.MultiReader(bytes.NewReader(bytes.Clone(space[:n])), r.Body), r.Body}
	return said, false
}

// readAgain is a body of which something was read already.
type readAgain struct {
	io.Reader
	io.Closer
}

// What a tap can say.
const (
	saidHold = 1 << iota
	saidShow
	saidVariant
	saidQuantity
	saidUnit
)

// tapWords is what a tap says, over HTTP or in a room.
type tapWords struct {
	has      int
	hold     commerce.HoldID
	show     commerce.ShowID
	variant  commerce.VariantID
	quantity int
	unit     *int64
}

// readTap reads the JSON object of a tap: members without escapes, ids as they are written, whole numbers. Of all else ok
// is false.
func readTap(text []byte) (said tapWords, ok bool) {
	in := tapReader{left: text}
	if !in.take('{') {
		return said, false
	}
	for {
		name, quoted := in.quoted()
		if !quoted || !in.take(':') {
			return said, false
		}
		before := said.has
		switch string(name) {
		case "hold":
			ok = in.next() && said.hold.UnmarshalText(in.text) == nil
			said.has |= saidHold
		case "show":
			ok = in.next() && said.show.UnmarshalText(in.text) == nil
			said.has |= saidShow
		case "variant":
			ok = in.next() && said.variant.UnmarshalText(in.text) == nil
			said.has |= saidVariant
		case "quantity":
			var n int64
			n, ok = in.number()
			said.quantity = int(n)
			said.has |= saidQuantity
		case "unit":
			var n int64
			n, ok = in.number()
			said.unit = &n
			said.has |= saidUnit
		default:
			return said, false
		}
		if !ok || said.has == before { // the last of two counts elsewhere
			return said, false
		}
		if in.take('}') {
			in.space()
			return said, len(in.left) == 0
		}
		if !in.take(',') {
			return said, false
		}
	}
}

// ReadTap reads the d of a call of CallHold that is written as usual.
func ReadTap(data []byte) (tap HoldPut, ok bool) {
	said, ok := readTap(data)
	return HoldPut{Hold: said.hold, Wish: Wish{Variant: said.variant, Quantity: said.quantity, Unit: said.unit}},
		ok && said.has&(saidHold|saidShow|saidVariant) == saidHold|saidVariant
}

// tapReader takes a text apart from its beginning.
type tapReader struct {
	left []byte
	text []byte // see next
}

func (r *tapReader) space() {
	for len(r.left) > 0 && (r.left[0] == ' ' || r.left[0] == '\n' || r.left[0] == '\t' || r.left[0] == '\r') {
		r.left = r.left[1:]
	}
}

func (r *tapReader) take(c byte) bool {
	r.space()
	if len(r.left) == 0 || r.left[0] != c {
		return false
	}
	r.left = r.left[1:]
	return true
}

// quoted is a string of plain letters: what is escaped, or no ASCII, is in no tap.
func (r *tapReader) quoted() ([]byte, bool) {
	if !r.take('"') {
		return nil, false
	}
	for i, c := range r.left {
		if c == '"' {
			s := r.left[:i]
			r.left = r.left[i+1:]
			return s, true
		}
		if c < ' ' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return nil, false
}

// next reads a string into text.
func (r *tapReader) next() (ok bool) {
	r.text, ok = r.quoted()
	return ok
}

func (r *tapReader) number() (n int64, ok bool) {
	r.space()
	digits := 0
	for digits < len(r.left) && digits <= maxTapNumber && r.left[digits] >= '0' && r.left[digits] <= '9' {
		n = n*10 + int64(r.left[digits]-'0')
		digits++
	}
	if digits == 0 || digits > maxTapNumber || digits > 1 && r.left[0] == '0' {
		return 0, false
	}
	r.left = r.left[digits:]
	return n, true
}

// appendHold writes a hold as encoding/json would.
func appendHold(b []byte, h holdBody) []byte {
	if len(h.Lines) > 0 {
		text, _ := json.Marshal(h) // all of it can be written
		return append(b, text...)
	}
	b = append(append(b, `{"id":"`...), h.ID.String()...)
	b = append(append(b, `","show":"`...), h.Show.String()...)
	b = append(append(b, `","variant":"`...), h.Variant.String()...)
	b = append(append(b, `","product":"`...), h.Product.String()...)
	b = appendText(append(b, `","title":`...), h.Title)
	b = strconv.AppendInt(append(b, `,"quantity":`...), int64(h.Quantity), 10)
	b = appendText(append(b, `,"state":`...), string(h.State))
	b = appendAmount(append(b, `,"unit":`...), h.Unit)
	b = appendAmount(append(b, `,"total":`...), h.Total)
	b = h.Expires.AppendFormat(append(b, `,"expires_at":"`...), time.RFC3339Nano)
	b = strconv.AppendInt(append(b, `","left_ms":`...), h.LeftMS, 10)
	if h.Stands {
		b = append(b, `,"stands":true`...)
	}
	return append(b, '}')
}

func appendAmount(b []byte, a amountBody) []byte {
	b = strconv.AppendInt(append(b, `{"amount":`...), a.Amount, 10)
	return append(appendText(append(b, `,"currency":`...), a.Currency), '}')
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
