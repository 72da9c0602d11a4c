package whip

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"github.com/rialto-live/rialto/media"
)

func (h *Handler) resource(w http.ResponseWriter, r *http.Request, action Action, node, id string) error {
	switch r.Method {
	case http.MethodOptions:
		h.options(w, resourceMethods, "Accept-Patch", typeFragment)
		return nil
	case http.MethodPatch, http.MethodDelete:
	default:
		return methodNotAllowed(resourceMethods)
	}
	addr := h.remoteAddr(r)
	if err := admit(h.patches, addr); err != nil {
		return err
	}
	if node != h.config.Node {
		return h.elsewhere(w, r, node)
	}
	e, ok := h.table.find(action, id)
	if !ok {
		return resourceUnknown()
	}
	request := Request{Stream: e.stream, Action: action, Bearer: bearer(r.Header), Header: r.Header, RemoteAddr: addr}
	if err := h.mayTouch(r.Context(), e, request); err != nil {
		return err
	}
	if r.Method == http.MethodDelete {
		return h.delete(w, e)
	}
	return h.patch(w, r, e)
}

// elsewhere sends a request about another node's resource to that node.
func (h *Handler) elsewhere(w http.ResponseWriter, r *http.Request, node string) error {
	if h.config.NodeURL == nil {
		return resourceUnknown()
	}
	base, ok := h.config.NodeURL(node)
	if !ok || base == "" {
		return resourceUnknown() // the node is gone, and its sessions with it
	}
	return redirect(w, r, base)
}

// mayTouch lets in whoever holds the token the session was opened with, and
// the same person with a newer one: a publish ticket runs out during a show.
func (h *Handler) mayTouch(ctx context.Context, e *entry, request Request) error {
	switch {
	case !e.hasToken:
		return nil // the name of the resource is all a viewer without a token has
	case request.Bearer == "":
		return keyMissing()
	case len(request.Bearer) > MaxBearerBytes:
		return keyInvalid()
	case e.hasBearer(request.Bearer):
		return nil
	}
	grant, err := h.authorize(ctx, request)
	if err != nil {
		return err
	}
	if grant.Subject == "" || grant.Subject != e.grant.Subject {
		return forbidden()
	}
	return nil
}

func (h *Handler) delete(w http.ResponseWriter, e *entry) error {
	if !h.table.remove(e) {
		return resourceUnknown()
	}
	h.closeSession(e.session)
	w.WriteHeader(http.StatusOK) // not 204: OBS takes 200 alone for a success
	return nil
}

// patch trickles candidates, or restarts ICE when the fragment brings
// credentials of its own.
func (h *Handler) patch(w http.ResponseWriter, r *http.Request, e *entry) error {
	fragment, err := readBody(w, r, typeFragment, "Accept-Patch", MaxFragmentBytes)
	if err != nil {
		return err
	}
	ufrag := iceUfrag(fragment)
	if ufrag == "" {
		return &media.SDPError{Reason: "the fragment has no a=ice-ufrag line"}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	match := r.Header.Values("If-Match")
	if len(match) == 0 {
		// Viewers in the field forget it when they trickle. The ufrag tells
		// which ICE session they mean, so for them nothing is lost by that.
		if e.action == Publish || ufrag != e.ufrag {
			return newProblem(http.StatusPreconditionRequired, "precondition_required",
				"Send If-Match with the ETag of the session, or * to restart ICE.")
		}
	} else if !matches(match, e.etag) {
		return newProblem(http.StatusPreconditionFailed, "precondition_failed",
			"ICE was restarted since. These candidates belong to the time before.")
	}
	if ufrag == e.ufrag {
		if err := e.session.Trickle(fragment); err != nil {
			return afterEnd(e, err)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	answer, err := e.session.Restart(fragment)
	if err != nil {
		return afterEnd(e, err)
	}
	e.etag, e.ufrag = newETag(), ufrag
	w.Header().Set("ETag", e.etag)
	w.Header().Set("Content-Type", typeFragment)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(answer)
	return nil
}

// afterEnd tells a session that ended meanwhile from one that refused.
func afterEnd(e *entry, err error) error {
	if e.over() {
		return resourceUnknown()
	}
	return err
}

// iceUfrag finds the first ice-ufrag of an SDP or a fragment. With BUNDLE all
// sections share the first one's transport.
func iceUfrag(sdp []byte) string {
	for line := range bytes.Lines(sdp) {
		if value, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("a=ice-ufrag:")); ok {
			return string(value)
		}
	}
	return ""
}

// matches compares as If-Match does (RFC 9110): strongly, against a list.
func matches(values []string, etag string) bool {
	for _, value := range values {
		for candidate := range strings.SplitSeq(value, ",") {
			if candidate = strings.TrimSpace(candidate); candidate == "*" || candidate == etag {
				return true
			}
		}
	}
	return false
}
