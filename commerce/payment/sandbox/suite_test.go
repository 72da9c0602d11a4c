package sandbox

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/paymenttest"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// The sandbox does what every payment company must.
func TestSuite(t *testing.T) {
	numbers := map[paymenttest.Card]string{
		paymenttest.Pays: "4242424242424242", paymenttest.Declines: "4000000000000002", paymenttest.AsksBank: "4000000000003220",
	}
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
		if c.Client, err = NewClient(web.URL, secret, web.URL, 0); err != nil {
			t.Fatal(err)
		}
		return paymenttest.Company{
			Provider: c.Client, Vault: c.Client, Webhooks: c.Client, Wire: wire,
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
			Answer: func(_ *testing.T, charge payment.Charge, yes bool) {
				c.browse(http.MethodPost, charge.Action, map[bool]string{true: "answer=confirm", false: "answer=refuse"}[yes])
			},
			Sign: func(t *testing.T, reference string, at time.Time) (http.Header, []byte) {
				t.Helper()
				body, err := json.Marshal(event{Type: "charge.authorised", Timestamp: at, Data: charge{ID: "ch_1", Reference: reference}})
				if err != nil {
					t.Fatal(err)
				}
				mark, err := c.signed.Sign("evt_1", at, body)
				if err != nil {
					t.Fatal(err)
				}
				header := http.Header{}
				header.Set(standardwebhooks.HeaderWebhookID, "evt_1")
				header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
				header.Set(standardwebhooks.HeaderWebhookSignature, mark)
				return header, body
			},
		}
	})
}
