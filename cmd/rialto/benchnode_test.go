package main

import (
	"context"
	"net/netip"
	"testing"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
)

// At the bench's node each tap over a socket is a guest's of its own, from an address of its own; the same tap again is the
// same guest's.
func TestStrangers(t *testing.T) {
	var asked []api.Tapper
	put := strangers(func(_ context.Context, by api.Tapper, _ api.HoldPut) (any, *api.Problem) {
		asked = append(asked, by)
		return nil, nil
	})
	show, one, other := commerce.NewID[commerce.ShowID](), commerce.NewID[commerce.HoldID](), commerce.NewID[commerce.HoldID]()
	for _, hold := range []commerce.HoldID{one, other, one} {
		put(t.Context(), api.Tapper{Show: show, Subject: "gst_socket", Addr: netip.MustParseAddr("127.0.0.1")}, api.HoldPut{Hold: hold})
	}
	if asked[0] != asked[2] || asked[0].Subject == asked[1].Subject || asked[0].Addr == asked[1].Addr || asked[0].Show != show {
		t.Errorf("%+v", asked)
	}
	if _, _, err := commerce.ParseSubject(asked[0].Subject); err != nil || !asked[0].Addr.IsValid() {
		t.Errorf("%v %v", err, asked[0].Addr)
	}
}
