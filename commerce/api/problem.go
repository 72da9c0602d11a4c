package api

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Problem is every answer that says no (RFC 9457). Code never changes once released; Detail is a sentence for
// the person at the page.
type Problem struct {
	Type   string       `json:"type" doc:"A URI of this kind of problem" example:"https://rialto.live/problems/sold_out"`
	Title  string       `json:"title" doc:"The HTTP status in words"`
	Status int          `json:"status"`
	Detail string       `json:"detail" doc:"What happened and what to do, in plain words"`
	Code   string       `json:"code" doc:"Stable name of this problem, for programs" example:"sold_out"`
	Errors []FieldError `json:"errors,omitempty" doc:"What is wrong with which member of the request"`

	// Extra members at the top level, such as left of sold_out.
	Extra map[string]any `json:"-"`
	_     struct{}       `json:"-" additionalProperties:"true"`
	// RetryAfter becomes the header of that name, in whole seconds, rounded up.
	RetryAfter time.Duration `json:"-"`

	text, members []byte // see settle
}

// FieldError points at one member of a request. The value is not repeated: it may be a password.
type FieldError struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

const problemBase = "https://rialto.live/problems/"

// problem makes one. detail says what to do.
func problem(status int, code, detail string) *Problem {
	return &Problem{Type: problemBase + code, Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

func (p *Problem) with(member string, value any) *Problem {
	if p.Extra == nil {
		p.Extra = map[string]any{}
	}
	p.Extra[member] = value
	return p
}

func (p *Problem) retry(after time.Duration) *Problem {
	p.RetryAfter = after
	return p
}

// settle writes the problem once for all who are told it. Nobody changes it any more.
func (p *Problem) settle() *Problem {
	text, err := p.MarshalJSON()
	if err == nil {
		p.members, err = p.Members()
	}
	if err != nil {
		panic(err)
	}
	p.text = append(text, '\n')
	return p
}

// own is a copy to be changed.
func (p *Problem) own() *Problem {
	mine := *p
	mine.Extra, mine.text, mine.members = maps.Clone(p.Extra), nil, nil
	return &mine
}

func (p *Problem) Error() string  { return p.Code + ": " + p.Detail }
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is asked by huma.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders is asked by huma.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	return h
}

// ownMembers are those that every problem has; nothing extra takes their place.
var ownMembers = []string{"type", "title", "status", "detail", "code", "errors"}

// MarshalJSON puts Extra beside the members that every problem has.
func (p *Problem) MarshalJSON() ([]byte, error) {
	b := appendText(append(make([]byte, 0, 256), `{"type":`...), p.Type)
	b = appendText(append(b, `,"title":`...), p.Title)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(p.Status), 10)
	b = appendText(append(b, `,"detail":`...), p.Detail)
	b = appendText(append(b, `,"code":`...), p.Code)
	if len(p.Errors) > 0 {
		list, err := json.Marshal(p.Errors)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"errors":`...), list...)
	}
	for name, value := range p.Extra {
		if slices.Contains(ownMembers, name) {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		b = append(append(appendText(append(b, ','), name), ':'), text...)
	}
	return append(b, '}'), nil
}

// Members is an object of what a problem says beside its code and its detail: the status, and the extra members.
func (p *Problem) Members() (json.RawMessage, error) {
	if p.members != nil {
		return p.members, nil
	}
	all := map[string]any{"status": p.Status}
	maps.Copy(all, p.Extra)
	return json.Marshal(all)
}

// write answers without huma, for what happens before or outside of an operation.
func (p *Problem) write(w http.ResponseWriter) {
	header := w.Header()
	if p.RetryAfter > 0 {
		maps.Copy(header, p.GetHeaders())
	}
	header["Content-Type"] = problemBody
	header["Cache-Control"] = noStore
	text := p.text
	if text == nil {
		plain, err := p.MarshalJSON()
		if err != nil { // of an extra member, which no program needs to understand the rest
			plain, _ = (&Problem{Type: p.Type, Title: p.Title, Status: p.Status, Detail: p.Detail, Code: p.Code}).MarshalJSON()
		}
		text = append(plain, '\n')
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(text) // the client may be gone; nobody is left to tell
}

// translation says which problem an error of commerce is. Without make, the error's own text is the detail: such
// errors are written for people. A translation with make gets the whole error.
type translation struct {
	is     error
	status int
	code   string
	make   func(err error) *Problem
}

// translate adds a part's table. The first row that matches decides, and parts are asked in the order of
// register.go.
func (a *API) translate(rows ...translation) { a.translations = append(a.translations, rows...) }

// asProblem is the one place where an error becomes a status.
func (a *API) asProblem(ctx context.Context, err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	for _, t := range a.translations {
		if !errors.Is(err, t.is) {
			continue
		}
		if t.make != nil {
			if p := t.make(err); p != nil {
				return p
			}
			continue
		}
		return problem(t.status, t.code, sentence(t.is.Error()))
	}
	switch {
	case errors.Is(err, commerce.ErrID):
		return problem(http.StatusUnprocessableEntity, "invalid", "One of the ids is missing or of the wrong kind.")
	case errors.Is(err, schema.ErrContended):
		return problem(http.StatusServiceUnavailable, "busy", "Too many people are changing this at the same moment. Try again.").retry(time.Second)
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errSlow):
		// The client left, or the server stops; the first one never reads this.
		return problem(http.StatusServiceUnavailable, "interrupted", "The request was interrupted. Try again.").retry(time.Second)
	case unreachable(err), ctx.Err() != nil:
		a.log.ErrorContext(ctx, "database away", "error", err, "request", requestID(ctx))
		return problem(http.StatusServiceUnavailable, "unavailable", "We cannot reach our records for a moment. Try again.").retry(2 * time.Second)
	}
	a.log.ErrorContext(ctx, "request failed", "error", err, "request", requestID(ctx))
	return internal(requestID(ctx))
}

func internal(request string) *Problem {
	return problem(http.StatusInternalServerError, "internal", "Something broke on our side. Try again; if it stays, tell us the request id.").
		with("request", request)
}

// sentence makes an error's text one.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return string(upper(s[0])) + s[1:] + "."
}

func upper(b byte) byte {
	if 'a' <= b && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// fromHuma is a response transformer: huma's own refusals (validation, body too large, not acceptable) get
// our form, with a code by status.
func fromHuma(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	ctx.SetHeader("Cache-Control", "no-store")
	p := problem(m.Status, statusCode(m.Status), statusDetail(m.Status))
	requestOf(ctx.Context()).code = p.Code
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, FieldError{Location: e.Location, Message: e.Message})
	}
	return p, nil
}

func statusCode(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "malformed"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusNotAcceptable:
		return "not_acceptable"
	case http.StatusRequestTimeout:
		return "body_timeout"
	case http.StatusRequestEntityTooLarge:
		return "body_too_large"
	case http.StatusUnsupportedMediaType:
		return "media_type"
	case http.StatusUnprocessableEntity:
		return "invalid"
	case http.StatusInternalServerError:
		return "internal"
	}
	return "http_" + strconv.Itoa(status)
}

func statusDetail(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "The request cannot be read. Send a JSON object."
	case http.StatusNotFound:
		return "There is nothing at this address."
	case http.StatusMethodNotAllowed:
		return "This address does not take requests of this kind. See the Allow header."
	case http.StatusRequestTimeout:
		return "The request took too long to arrive. Try again."
	case http.StatusRequestEntityTooLarge:
		return "The request is larger than this address takes."
	case http.StatusUnsupportedMediaType:
		return "Send application/json."
	case http.StatusUnprocessableEntity:
		return "Something in the request is missing or not as it should be; see errors."
	}
	return http.StatusText(status) + "."
}
