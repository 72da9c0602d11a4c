package checkout

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

const (
	asks  = "4000 0000 0000 3220" // the buyer's bank wants to be asked
	takes = "4000 0000 0000 0077" // the money is taken at once; there is no capture
)

// bank is a payment company in memory: its buyers can confirm and refuse, and a test can stop in the middle of a call.
type bank struct {
	mu      sync.Mutex
	charges map[string]*payment.Charge // by reference
	keys    map[string]bool            // of captures
	wishes  []payment.Authorisation    // every one that came
	asked   int                        // calls of Get and FindByReference

	// around is called before and after each call, without the lock; an error is the call's answer.
	around func(call string, done bool) error
}

func newBank() *bank {
	return &bank{charges: map[string]*payment.Charge{}, keys: map[string]bool{}, around: func(string, bool) error { return nil }}
}

func (b *bank) Tokenise(_ context.Context, c payment.Card) (string, error) {
	return strings.ReplaceAll(c.Number, " ", ""), nil
}

func (b *bank) call(name string, step func() (*payment.Charge, error)) (payment.Charge, error) {
	if err := b.around(name, false); err != nil {
		return payment.Charge{}, err
	}
	b.mu.Lock()
	c, err := step()
	var answer payment.Charge
	if c != nil {
		answer = *c
	}
	b.mu.Unlock()
	if err := b.around(name, true); err != nil {
		return payment.Charge{}, err
	}
	return answer, err
}

func (b *bank) Authorise(_ context.Context, a payment.Authorisation) (payment.Charge, error) {
	return b.call("authorise", func() (*payment.Charge, error) {
		b.wishes = append(b.wishes, a)
		if c := b.charges[a.Reference]; c != nil {
			return c, nil
		}
		c := &payment.Charge{ID: fmt.Sprintf("ch_%d", len(b.charges)), Reference: a.Reference, Amount: a.Amount, Status: payment.ChargeAuthorised}
		switch a.Token {
		case strings.ReplaceAll(asks, " ", ""):
			c.Status, c.Action = payment.ChargeRequiresAction, "https://bank.example/"+c.ID
		case strings.ReplaceAll(takes, " ", ""):
			c.Status, c.Captured = payment.ChargeCaptured, c.Amount.Minor
		case strings.ReplaceAll(bad, " ", ""):
			c.Status, c.Decline = payment.ChargeDeclined, "card_declined"
		}
		b.charges[a.Reference] = c
		return c, nil
	})
}

// settle is what a buyer does at the bank's page; one that comes too late changes nothing.
func (b *bank) settle(reference string, to payment.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.charges[reference]; c != nil && c.Status == payment.ChargeRequiresAction {
		c.Status, c.Action = to, ""
		if to == payment.ChargeDeclined {
			c.Decline = "authentication_failed"
		}
	}
}

func (b *bank) byID(id string) (*payment.Charge, error) {
	for _, c := range b.charges {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, payment.ErrNotFound
}

func (b *bank) Capture(_ context.Context, id string, amount money.Amount, key string) (payment.Charge, error) {
	return b.call("capture", func() (*payment.Charge, error) {
		c, err := b.byID(id)
		if err != nil || b.keys[key] {
			return c, err
		}
		if c.Status != payment.ChargeAuthorised || amount != c.Amount {
			return nil, fmt.Errorf("%w: capture of a charge that is %s", payment.ErrRejected, c.Status)
		}
		b.keys[key], c.Status, c.Captured = true, payment.ChargeCaptured, amount.Minor
		return c, nil
	})
}

func (b *bank) Void(_ context.Context, a payment.Authorisation) (payment.Charge, error) {
	return b.call("void", func() (*payment.Charge, error) {
		c := b.charges[a.Reference]
		switch {
		case c == nil:
			c = &payment.Charge{ID: fmt.Sprintf("ch_%d", len(b.charges)), Reference: a.Reference, Status: payment.ChargeVoided}
			b.charges[a.Reference] = c
		case c.Status == payment.ChargeCaptured:
			return nil, fmt.Errorf("%w: void of captured money", payment.ErrRejected)
		case c.Status != payment.ChargeDeclined:
			c.Status, c.Action = payment.ChargeVoided, ""
		}
		return c, nil
	})
}

func (b *bank) Refund(_ context.Context, id string, amount money.Amount, key string) (payment.Charge, error) {
	return b.call("refund", func() (*payment.Charge, error) {
		c, err := b.byID(id)
		if err != nil || b.keys[key] {
			return c, err
		}
		if c.Refunded+amount.Minor > c.Captured {
			return nil, fmt.Errorf("%w: refund of %d", payment.ErrRejected, amount.Minor)
		}
		b.keys[key] = true
		c.Refunded += amount.Minor
		return c, nil
	})
}

func (b *bank) Get(_ context.Context, id string) (payment.Charge, error) {
	return b.call("get", func() (*payment.Charge, error) {
		b.asked++
		return b.byID(id)
	})
}

func (b *bank) FindByReference(_ context.Context, reference string) (payment.Charge, error) {
	return b.call("find", func() (*payment.Charge, error) {
		b.asked++
		if c := b.charges[reference]; c != nil {
			return c, nil
		}
		return nil, payment.ErrNotFound
	})
}

// sum is what was captured in all.
func (b *bank) sum() (minor int64, charges int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.charges {
		minor += c.Captured
	}
	return minor, len(b.charges)
}

// with makes this bank a node's payment company.
func (b *bank) with() func(*stock.Config, *Config) {
	return func(_ *stock.Config, c *Config) {
		c.Provider, c.Vault = b, b
		c.OrderURL = func(id commerce.OrderID, _ time.Time) (string, error) {
			return "https://shop.example/orders/" + id.String(), nil
		}
	}
}

// look reads a charge as nobody's call.
func (b *bank) look(reference string) (payment.Charge, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.charges[reference]; c != nil {
		return *c, nil
	}
	return payment.Charge{}, payment.ErrNotFound
}
