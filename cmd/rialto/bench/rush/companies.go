package rush

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
)

// atOnce is no payment company: it says yes in this process and remembers nothing. With it a purchase costs what Rialto
// itself does.
type atOnce struct{ payment.NotConfigured }

const (
	atOnceName    = "stub"
	sandboxReady  = "rialto: sandbox ready on " // what `rialto sandbox` says
	sandboxSecret = "the secret of a bench that ends soon"
)

func (atOnce) Tokenise(context.Context, payment.Card) (string, error) { return "tok_stub", nil }

func (atOnce) Authorise(_ context.Context, a payment.Authorisation) (payment.Charge, error) {
	return payment.Charge{ID: "ch_" + a.Reference, Reference: a.Reference, Status: payment.ChargeAuthorised, Amount: a.Amount}, nil
}

func (atOnce) Capture(_ context.Context, charge string, amount money.Amount, _ string) (payment.Charge, error) {
	return payment.Charge{ID: charge, Reference: strings.TrimPrefix(charge, "ch_"), Status: payment.ChargeCaptured, Amount: amount, Captured: amount.Minor}, nil
}

// sandbox has buyers buy over the real sandbox: `rialto sandbox` as a child, reached over HTTP, which keeps its charges in the
// same Postgres.
func (b *bench) sandbox(ctx context.Context) (r bought, err error) {
	program, err := os.Executable()
	if err != nil {
		return r, fmt.Errorf("find this program for the sandbox: %w", err)
	}
	found := make(chan string, 1)
	var base string
	child, err := embedded.StartChild(ctx, embedded.ChildOptions{
		Name: "sandbox", Path: program, Args: []string{"sandbox"}, Log: slog.New(slog.DiscardHandler),
		Env: []string{"PATH=/usr/bin:/bin", "DATABASE_URL=" + b.postgres.DSN(), "LISTEN=127.0.0.1:0", "SANDBOX_SECRET=" + sandboxSecret, "LOG_LEVEL=ERROR"},
		Line: func(line string) {
			if at, ok := strings.CutPrefix(line, sandboxReady); ok {
				found <- at
			}
		},
		Ready: func(ctx context.Context) error {
			select {
			case base = <-found:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	if err != nil {
		return r, err
	}
	client, err := sandbox.NewClient(base, sandboxSecret, "", 0)
	if err == nil {
		r, err = b.purchases(ctx, client, sandbox.Name)
	}
	if stopErr := child.Stop(); err == nil {
		err = stopErr
	}
	return r, err
}
