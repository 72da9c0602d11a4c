package stock

import (
	"strings"
	"testing"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
)

// A small copy is a table too: as a list it would be read from end to end for each tap that loses.
func TestACopyIsATable(t *testing.T) {
	client := open(t, embeddedtest.NewRedisServer(t).URL())
	g, pool := gate{redis: client}, commerce.NewID[commerce.PoolID]()
	if err := g.load(t.Context(), pool, copyOf{epoch: 1, free: 1, version: 1, timed: timedCopy{free: -1}}); err != nil {
		t.Fatal(err)
	}
	call := gateCall{epoch: 1, tag: newTag()}
	for _, buyer := range []string{"gst_a", "gst_b", "gst_c", "gst_b"} {
		call.asks = append(call.asks, newAsk(Tap{ID: commerce.NewID[commerce.HoldID](), Pool: pool, Buyer: buyer, Quantity: 1, Offer: 1}))
	}
	if got, err := g.call(t.Context(), pool, call); err != nil || got.letters != "ASSS" || got.free != 0 {
		t.Errorf("%+v %v", got, err)
	}
	encoding, err := client.ObjectEncoding(t.Context(), gateKeys(pool, 1)[1]).Result()
	if err != nil || !strings.Contains(encoding, "hashtable") {
		t.Errorf("the buyers of a copy are kept as %q %v", encoding, err)
	}
}
