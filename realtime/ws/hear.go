package ws

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// hear takes one message of a page whose line is an event stream. What it
// brings about is told on the stream; the answer says that it was heard.
func (h *Handler) hear(w http.ResponseWriter, r *http.Request, id string) {
	s := h.streams.find(id)
	if s == nil {
		lineUnknown(w)
		return
	}
	// Before anything that could end the line: a stranger ends nobody's.
	if status, code, detail := s.mine(r); status != 0 {
		problem(w, status, code, detail)
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(postTimeout))
	m, err := s.next(w, r)
	if err == nil {
		err = s.take(m)
	}
	var wrong *realtime.CloseError
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case errors.Is(err, errLineOver):
		lineUnknown(w)
	case errors.As(err, &wrong):
		s.remote.Close(wrong.Code, wrong.Reason)
		problem(w, statusOf(wrong.Code), wrong.Code.String(), wrong.Reason)
	default:
		problem(w, http.StatusBadRequest, "body_broken", "The message did not come whole. Send it again.")
	}
}

// next reads the message of a request, within the limits of a page.
func (s *stream) next(w http.ResponseWriter, r *http.Request) (m message, err error) {
	now := s.handler.cfg.Now()
	if !s.budget.AllowN(now, 1) {
		return m, errTooMany
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxMessage))
	if !s.bytes.AllowN(now, len(data)) {
		return m, errTooMany
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return m, &realtime.CloseError{Code: realtime.CodeTooLarge, Reason: "the message is too large"}
	}
	if err != nil {
		return m, err
	}
	s.remote.Saw()
	m, ok := parse(data)
	if !ok {
		return m, badMessage("messages are JSON objects")
	}
	return m, nil
}

// take does what a message asks for. Questions for the time are answered at
// once; of all else one is under way at a time.
func (s *stream) take(m message) error {
	if m.Type == "ping" {
		return s.answer(m)
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > maxWaiting {
		return errTooMany
	}
	s.turn <- struct{}{} // whoever has it gives it back within CallTimeout
	defer func() { <-s.turn }()
	if !s.remote.Open() {
		return errLineOver
	}
	return s.answer(m)
}

// errLineOver refuses what nobody does any more: the page says it on its next line.
var errLineOver = errors.New("the line ends")

func lineUnknown(w http.ResponseWriter) {
	problem(w, http.StatusNotFound, "line_unknown", "This line is not open here. Open another.")
}

// statusOf is the HTTP status beside a close code.
func statusOf(code realtime.Code) int {
	switch code {
	case realtime.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case realtime.CodeTooMany:
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}
