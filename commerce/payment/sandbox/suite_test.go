package sandbox

import (
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce/payment/paymenttest"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// The sandbox does what every payment company must.
func TestSuite(t *testing.T) {
	numbers := map[paymenttest.Card]string{paymenttest.Pays: "4242424242424242", paymenttest.Declines: "4000000000000002"}
	paymenttest.Run(t, func(t *testing.T) paymenttest.Company {
		c := &company{t: t, db: schematest.Open(t, schematest.Empty(t))}
		if err := Migrate(t.Context(), c.db); err != nil {
			t.Fatal(err)
		}
		server, err := Handler(Config{Pool: c.db, Secret: secret, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		wire := &paymenttest.Wire{}
		web := httptest.NewServer(wire.Front(server))
		t.Cleanup(web.Close)
		if c.Client, err = NewClient(web.URL, secret, "", 0); err != nil {
			t.Fatal(err)
		}
		return paymenttest.Company{
			Provider: c.Client, Vault: c.Client, Wire: wire,
			Token: func(t *testing.T, card paymenttest.Card) string { return c.token(numbers[card]) },
			Held: func(t *testing.T, reference string) (held int64) {
				t.Helper()
				err := c.db.QueryRow(t.Context(), `select coalesce(sum(case status when 'authorised' then amount when 'captured' then captured - refunded end), 0)
					from sandbox.charge where reference = $1`, reference).Scan(&held)
				if err != nil {
					t.Fatal(err)
				}
				return held
			},
		}
	})
}
