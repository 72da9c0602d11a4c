package ws

import (
	"net/http"
	"strings"

	"github.com/rialto-live/rialto/realtime"
)

const (
	extensions = "Sec-Websocket-Extensions"
	deflate    = "permessage-deflate"
)

// settle says how messages go to a page, from what it offers (RFC 7692 section
// 7.1), and leaves in the header only what the upgrader can accept as it stands:
// messages of their own, in either direction, and any window. An offer that
// names our window is declined, since all are sent the same bytes.
func settle(h http.Header) realtime.Encoding {
	offers := h.Values(extensions)
	h.Del(extensions)
	for _, offer := range strings.Split(strings.Join(offers, ","), ",") {
		if canDeflate(offer) {
			h.Set(extensions, deflate)
			return realtime.Deflated
		}
	}
	return realtime.Frames
}

func canDeflate(offer string) bool {
	name, rest, more := strings.Cut(offer, ";")
	if strings.TrimSpace(name) != deflate {
		return false
	}
	seen := map[string]bool{}
	for more {
		var parameter string
		parameter, rest, more = strings.Cut(rest, ";")
		key, _, valued := strings.Cut(strings.TrimSpace(parameter), "=")
		if seen[key] {
			return false
		}
		seen[key] = true
		switch key {
		case "server_no_context_takeover", "client_no_context_takeover":
			if valued {
				return false
			}
		case "client_max_window_bits": // what is read may have any window
		default:
			return false
		}
	}
	return true
}
