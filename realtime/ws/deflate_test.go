package ws

import (
	"net/http"
	"testing"

	"github.com/rialto-live/rialto/realtime"
)

func TestSettle(t *testing.T) {
	for offer, want := range map[string]realtime.Encoding{
		"":                   realtime.Frames,
		"permessage-deflate": realtime.Deflated,
		"permessage-deflate; client_max_window_bits":                                 realtime.Deflated,
		"permessage-deflate; client_max_window_bits=12":                              realtime.Deflated,
		"permessage-deflate;server_no_context_takeover ; client_no_context_takeover": realtime.Deflated,
		"permessage-deflate; server_max_window_bits=15":                              realtime.Frames,
		"permessage-deflate; server_max_window_bits=12":                              realtime.Frames,
		"permessage-deflate; server_max_window_bits=12, permessage-deflate":          realtime.Deflated,
		"permessage-deflate; server_max_window_bits":                                 realtime.Frames,
		"permessage-deflate; server_no_context_takeover=1":                           realtime.Frames,
		"permessage-deflate; client_max_window_bits; client_max_window_bits":         realtime.Frames,
		"permessage-deflate; something":                                              realtime.Frames,
		"permessage-deflate;":                                                        realtime.Frames,
		"x-webkit-deflate-frame":                                                     realtime.Frames,
		"x-webkit-deflate-frame, permessage-deflate":                                 realtime.Deflated,
	} {
		h := http.Header{extensions: {offer}}
		left := map[realtime.Encoding]string{realtime.Deflated: deflate}[want]
		if got := settle(h); got != want || h.Get(extensions) != left {
			t.Errorf("%q: encoding %d, with %q left; want %d and %q", offer, got, h.Get(extensions), want, left)
		}
	}
	h := http.Header{extensions: {"one", "permessage-deflate"}}
	if settle(h) != realtime.Deflated || len(h.Values(extensions)) != 1 {
		t.Errorf("two lines of offers: %q", h)
	}
}
