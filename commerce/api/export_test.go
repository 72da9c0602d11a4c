package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"github.com/rialto-live/rialto/commerce/checkout"
)

// Made is what the operation of RegisterMaking answers.
type Made struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// RegisterMaking adds POST /made, which runs do once for each Idempotency-Key.
func (a *API) RegisterMaking(do func(ctx context.Context, name string) (Made, error)) {
	type output struct {
		Location string `header:"Location"`
		Secret   string `header:"X-Secret"`
		Body     Made
	}
	register(a, operation{
		ID: "make", Method: http.MethodPost, Path: "/made", Tag: tagShows, Summary: "Makes something", Status: http.StatusCreated, Once: true, Body: 1 << 10,
	}, func(ctx context.Context, in *struct {
		Body struct {
			Name string `json:"name"`
		}
	}) (*output, error) {
		made, err := do(ctx, in.Body.Name)
		if err != nil {
			return nil, err
		}
		a.setCookie(ctx, "rialto_secret", "x", time.Hour)
		return &output{Location: "/made/1", Secret: "x", Body: made}, nil
	})
}

// Translate is what an error of commerce is told as.
func (a *API) Translate(ctx context.Context, err error) *Problem { return a.asProblem(ctx, err) }

// ErrNotNow is a refusal for tests.
func ErrNotNow() error { return problem(http.StatusConflict, "not_now", "Not now.") }

// Quick is whether a request is answered without the description of its operation.
func (a *API) Quick(w http.ResponseWriter, r *http.Request) bool {
	return a.QuickBeside(w, r, func(context.Context) {})
}

// QuickBeside is Quick after something was begun with the request as its context.
func (a *API) QuickBeside(w http.ResponseWriter, r *http.Request, begin func(ctx context.Context)) bool {
	req := newRequest(r.Context(), netip.MustParseAddr("127.0.0.1"), "")
	req.r, req.w = r, &answer{ResponseWriter: w}
	begin(req)
	return a.quickHold(req)
}

// HoldTexts are a hold as it is written quickly, and as encoding/json writes it.
func HoldTexts(h checkout.Held) (quick, plain []byte, err error) {
	plain, err = json.Marshal(holdOf(h))
	return appendHold(nil, holdOf(h)), plain, err
}

// MaxKnown is how many sessions are remembered for taps.
const MaxKnown = maxKnown

// FillKnown remembers as many sessions as may be, and one past it.
func FillKnown() (most, after int) {
	var k knownSessions
	now := time.Now()
	for i := range maxKnown {
		k.keep(sha256.Sum256([]byte(strconv.Itoa(i))), Identity{}, now)
	}
	most = len(k.known)
	k.keep([sha256.Size]byte{}, Identity{}, now)
	return most, len(k.known)
}

// HoldMembers is how many members a hold has, as it is answered.
func HoldMembers() int { return reflect.TypeFor[holdBody]().NumField() }

// Cookie is how cookies are read.
func Cookie(header http.Header, name string) (string, bool) { return cookie(header, name) }

// AnswerWithin is how long a tap may take.
const AnswerWithin = answerWithin

// Within is a function that gives taps what they are judged within.
func Within() func() context.Context { return new(tapTime).within }

// NothingLeft is what nearly all are told in a rush: as it is written, as JSON, and its members in a room.
func NothingLeft() (text []byte, written []byte, members []byte, err error) {
	plain := leftProblem(0)
	if written, err = plain.MarshalJSON(); err == nil {
		members, err = plain.Members()
	}
	if err == nil && string(members) != string(nothingLeft.members) {
		members = nil
	}
	return nothingLeft.text, written, members, err
}
