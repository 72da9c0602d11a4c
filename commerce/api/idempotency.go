package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rialto-live/rialto/commerce/guard"
)

const (
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotency-Replayed"

	onceKeep = 5 * time.Second // to note what came of a request
	// onceWork ends a try well before another may take its claim.
	onceWork = guard.OnceLease - 2*onceKeep
)

// keptHeaders are repeated with an answer. A cookie is never kept: it would be a secret in a table.
var keptHeaders = []string{"Content-Type", "Cache-Control", "Location", "ETag"}

func (a *API) registerOnce() {
	a.translate(
		translation{is: guard.ErrKey, make: func(error) *Problem {
			return problem(http.StatusBadRequest, "idempotency_key_invalid", "An Idempotency-Key has 1 to 128 characters of printable ASCII. Send a random one, such as a UUID.")
		}},
		translation{is: guard.ErrKeyReused, make: func(error) *Problem {
			return problem(http.StatusUnprocessableEntity, "idempotency_key_reused", "This Idempotency-Key was sent before with another request. Make a new one for each new request.")
		}},
		translation{is: guard.ErrInFlight, make: func(error) *Problem {
			return problem(http.StatusConflict, "idempotency_in_flight", "The same request is being worked on. Ask again in a moment.").retry(time.Second)
		}},
	)
}

// describeOnce adds to an operation's description what its key is.
func describeOnce(op *huma.Operation) {
	shortest, longest := 1, guard.MaxKey
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: keyHeader, In: "header", Required: true,
		Description: "Made by the client, random, and sent again with each retry: the answer of the first success is repeated for 24 hours, with `Idempotency-Replayed: true`.",
		Schema:      &huma.Schema{Type: huma.TypeString, MinLength: &shortest, MaxLength: &longest},
	})
}

// once runs an operation once for each Idempotency-Key of a person. A request that is refused frees its key:
// nothing was made.
func (a *API) once(op operation) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		req := requestOf(c.Context())
		req.route = op.Method + " " + op.Path
		claim, before, err := a.claim(c, op)
		switch {
		case err != nil:
			p := a.asProblem(c.Context(), err)
			req.code = p.Code
			p.write(req.w)
		case before != nil:
			replay(req.w, *before)
		case claim == nil:
			next(c) // too large or cut off: it will be refused
		default:
			a.onceDo(c, *claim, next)
		}
	}
}

// claim asks for the right to work. Without an error, claim and answer are both nil when the body cannot be
// read: then it is the operation's to say so.
func (a *API) claim(c huma.Context, op operation) (*guard.Claim, *guard.Answered, error) {
	ctx, req := c.Context(), requestOf(c.Context())
	if err := a.limit(ctx, op.Rule); err != nil {
		return nil, nil, err
	}
	key := c.Header(keyHeader)
	if key == "" {
		return nil, nil, problem(http.StatusBadRequest, "idempotency_key_missing", "Send an Idempotency-Key: a random text, the same again when you repeat this request.")
	}
	who, err := a.briefly(ctx)
	if err != nil {
		return nil, nil, err
	}
	body, ok := takeBody(c, cmp.Or(op.Body, MaxBody), cmp.Or(op.Patience, bodyWithin))
	if !ok {
		return nil, nil, nil
	}
	ctx, cancel := bounded(ctx, answerWithin)
	defer cancel()
	claim, before, err := guard.ClaimOnce(ctx, a.config.Pool, guard.Asked{
		Subject: cmp.Or(who.Subject, "adr:"+req.from), Key: key, Operation: op.ID,
		Fingerprint: fingerprint(op.Method, req.r.URL.EscapedPath(), req.r.URL.RawQuery, c.Header("Content-Type"), string(body)),
	})
	return &claim, before, err
}

// briefly is who, for what runs outside of an operation's time.
func (a *API) briefly(ctx context.Context) (Identity, error) {
	ctx, cancel := bounded(ctx, answerWithin)
	defer cancel()
	return a.who(ctx)
}

// takeBody reads the body and puts it back for the operation. It is false for a body that cannot be read or is
// longer than limit.
func takeBody(c huma.Context, limit int64, within time.Duration) ([]byte, bool) {
	r, _ := humago.Unwrap(c)
	_ = c.SetReadDeadline(time.Now().Add(within)) // a writer without deadlines is a test's
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	again := []io.Reader{bytes.NewReader(body)}
	if err != nil {
		again = append(again, failing{err})
	}
	r.Body = io.NopCloser(io.MultiReader(again...))
	return body, err == nil && int64(len(body)) <= limit
}

// failing is a body that breaks off.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// fingerprint hashes parts so that no two lists of them look alike.
func fingerprint(parts ...string) [sha256.Size]byte {
	var all []byte
	for _, part := range parts {
		all = append(binary.BigEndian.AppendUint64(all, uint64(len(part))), part...)
	}
	return sha256.Sum256(all)
}

// onceDo does the work. The answer is kept before it is sent, so that whoever has it can have it again.
func (a *API) onceDo(c huma.Context, claim guard.Claim, next func(huma.Context)) {
	ctx, cancel := context.WithTimeout(c.Context(), onceWork)
	defer cancel()
	req := requestOf(ctx)
	out := req.w.hold(func() { next(huma.WithContext(c, ctx)) })

	// Whoever asked may have left; what was made is noted nevertheless.
	note, done := context.WithTimeout(context.WithoutCancel(ctx), onceKeep)
	defer done()
	var err error
	switch {
	case out.status < 200 || out.status >= 300:
		err = claim.Free(note, a.config.Pool)
	case out.body.Len() > guard.MaxAnswer:
		a.log.ErrorContext(ctx, "the answer to an idempotency key is too large to keep", "operation", req.route, "bytes", out.body.Len())
		err = claim.Free(note, a.config.Pool)
	default:
		header := map[string]string{}
		for _, name := range keptHeaders {
			if value := out.Header().Get(name); value != "" {
				header[name] = value
			}
		}
		err = claim.Finish(note, a.config.Pool, guard.Answered{Status: out.status, Header: header, Body: out.body.Bytes()})
	}
	if err != nil {
		// The lease ends, and a repetition does the work again.
		a.log.ErrorContext(ctx, "the answer to an idempotency key was not kept", "error", err, "request", req.id)
	}
	out.ResponseWriter.WriteHeader(cmp.Or(out.status, http.StatusOK))
	_, _ = out.ResponseWriter.Write(out.body.Bytes()) // nobody is left to tell
}

// hold runs what answers and gives back the answer instead of sending it. When it panics nothing was sent.
func (a *answer) hold(run func()) *heldAnswer {
	out := &heldAnswer{ResponseWriter: a.ResponseWriter}
	done := false
	defer func() {
		a.ResponseWriter = out.ResponseWriter
		if !done {
			a.status = 0
		}
	}()
	a.ResponseWriter = out
	run()
	done = true
	return out
}

// heldAnswer keeps what an operation answers until it is known how it ended. Its headers are the real ones.
type heldAnswer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *heldAnswer) WriteHeader(status int) { h.status = cmp.Or(h.status, status) }

func (h *heldAnswer) Write(b []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(b)
}

// Unwrap lets http.ResponseController (read deadlines) through.
func (h *heldAnswer) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func replay(w http.ResponseWriter, a guard.Answered) {
	w.Header().Set("Cache-Control", "no-store")
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set(replayedHeader, "true")
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // nobody is left to tell
}
