package paymenttest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
)

const many = 8 // callers at once

func part(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: euros.Currency} }

// Many callers repeat one authorisation, then one capture: there is one charge, and it is taken once.
func testTogether(b bench) {
	a := b.wish(Pays)
	charges := b.together(func(int) (payment.Charge, error) { return b.Authorise(b.Context(), a) })
	b.holds(a, a.Amount.Minor)
	for _, c := range charges {
		b.is(c, nil, payment.ChargeAuthorised)
		if c.ID != charges[0].ID {
			b.Errorf("two charges: %s, %s", c.ID, charges[0].ID)
		}
	}
	for _, c := range b.together(func(int) (payment.Charge, error) {
		return b.Capture(b.Context(), charges[0].ID, a.Amount, "cap:"+a.Reference)
	}) {
		b.is(c, nil, payment.ChargeCaptured)
	}
	b.holds(a, a.Amount.Minor)
}

// together makes a call many times at once, each until it is answered; none may be refused.
func (b bench) together(call func(n int) (payment.Charge, error)) []payment.Charge {
	b.Helper()
	charges, errs := make([]payment.Charge, many), make([]error, many)
	var group sync.WaitGroup
	for n := range many {
		group.Go(func() { charges[n], errs[n] = b.until(func() (payment.Charge, error) { return call(n) }) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	return charges
}

func testCapture(b bench) {
	a, charge := b.authorised(euros)
	_, err := b.Capture(b.Context(), charge.ID, part(a.Amount.Minor+1), "more")
	b.refuses(err, payment.ErrRejected)
	_, err = b.Capture(b.Context(), charge.ID, part(0), "nothing")
	b.refuses(err, payment.ErrRejected)
	b.holds(a, a.Amount.Minor)
	for range 3 {
		got, err := b.Capture(b.Context(), charge.ID, a.Amount, "cap:"+a.Reference)
		b.is(got, err, payment.ChargeCaptured)
		if got.Captured != a.Amount.Minor || got.ID != charge.ID || got.Reference != a.Reference {
			b.Errorf("%+v", got)
		}
	}
	_, err = b.Capture(b.Context(), charge.ID, a.Amount, "again:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	got, err := b.Get(b.Context(), charge.ID)
	b.is(got, err, payment.ChargeCaptured)
	if got.Captured != a.Amount.Minor || got.Amount != a.Amount {
		b.Errorf("%+v", got)
	}
	b.is(b.found(a.Reference), nil, payment.ChargeCaptured)
	again, err := b.Authorise(b.Context(), a)
	b.is(again, err, payment.ChargeCaptured)
	b.holds(a, a.Amount.Minor)
}

// What is not captured of an authorisation is the buyer's again.
func testCapturePart(b bench) {
	a, charge := b.authorised(euros)
	got, err := b.Capture(b.Context(), charge.ID, part(1000), "cap:"+a.Reference)
	b.is(got, err, payment.ChargeCaptured)
	if got.Captured != 1000 || got.Amount != a.Amount {
		b.Errorf("%+v", got)
	}
	_, err = b.Refund(b.Context(), charge.ID, part(1001), "ref:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	b.holds(a, 1000)
}

func testKeys(b bench) {
	a, charge := b.captured(euros)
	other, second := b.authorised(euros)
	_, err := b.Capture(b.Context(), second.ID, euros, "cap:"+a.Reference)
	b.refuses(err, payment.ErrRejected) // this key has taken other money
	b.holds(other, euros.Minor)
	_, err = b.Capture(b.Context(), charge.ID, part(100), "cap:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	got, err := b.Refund(b.Context(), charge.ID, part(100), "ref:"+a.Reference)
	b.is(got, err, payment.ChargeCaptured)
	_, err = b.Refund(b.Context(), charge.ID, part(101), "ref:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	b.holds(a, euros.Minor-100)
}

func testRefund(b bench) {
	early, reserved := b.authorised(euros)
	_, err := b.Refund(b.Context(), reserved.ID, euros, "early:"+early.Reference)
	b.refuses(err, payment.ErrRejected) // nothing was taken
	b.holds(early, euros.Minor)
	a, charge := b.captured(euros)
	_, err = b.Refund(b.Context(), charge.ID, part(euros.Minor+1), "more:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	_, err = b.Refund(b.Context(), charge.ID, part(0), "nothing:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	for n, step := range []struct{ amount, refunded int64 }{{1900, 1900}, {1900, 3800}, {1100, 4900}} {
		key := "ref:" + a.Reference + string(rune('a'+n))
		for range 2 { // once per key, also when two parts are the same
			got, err := b.Refund(b.Context(), charge.ID, part(step.amount), key)
			b.is(got, err, payment.ChargeCaptured)
			if got.Refunded != step.refunded {
				b.Errorf("%+v, want %d refunded", got, step.refunded)
			}
		}
		b.holds(a, euros.Minor-step.refunded)
	}
	_, err = b.Refund(b.Context(), charge.ID, part(1), "over:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	got, err := b.Get(b.Context(), charge.ID)
	b.is(got, err, payment.ChargeCaptured)
	if got.Refunded != euros.Minor || got.Captured != euros.Minor {
		b.Errorf("%+v", got)
	}
}

// One key many times refunds once; many keys refund no more than there is.
func testRefundsTogether(b bench) {
	a, charge := b.captured(euros)
	b.together(func(int) (payment.Charge, error) {
		return b.Refund(b.Context(), charge.ID, part(900), "ref:"+a.Reference)
	})
	b.holds(a, 4000)
	var done atomic.Int64
	b.together(func(n int) (payment.Charge, error) {
		c, err := b.Refund(b.Context(), charge.ID, part(1500), "ref:"+a.Reference+string(rune('a'+n)))
		if errors.Is(err, payment.ErrRejected) {
			return c, nil
		}
		if err == nil {
			done.Add(1)
		}
		return c, err
	})
	if done.Load() != 2 {
		b.Errorf("%d refunds of 15.00 from 40.00", done.Load())
	}
	b.holds(a, 1000)
}

// Whoever comes first: once a void has answered there is no money under the reference, and there never will be.
func testVoidRace(b bench) {
	for range 6 {
		a := b.wish(Pays)
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if _, err := b.Authorise(b.Context(), a); err != nil && !errors.Is(err, payment.ErrOutcomeUnknown) {
					b.Errorf("authorise: %v", err)
				}
			})
			group.Go(func() {
				c, err := b.until(func() (payment.Charge, error) { return b.Void(b.Context(), tokenless(a)) })
				if err != nil || c.Status != payment.ChargeVoided {
					b.Errorf("void: %+v %v", c, err)
				}
				b.holds(a, 0)
			})
		}
		group.Wait()
		again, err := b.Authorise(b.Context(), a)
		b.is(again, err, payment.ChargeVoided)
		b.holds(a, 0)
	}
}

// Of a void and a capture exactly one is done.
func testVoidCapture(b bench) {
	for range 6 {
		a, charge := b.authorised(euros)
		var took, ended error
		var group sync.WaitGroup
		group.Go(func() {
			_, took = b.until(func() (payment.Charge, error) { return b.Capture(b.Context(), charge.ID, a.Amount, "cap:"+a.Reference) })
		})
		group.Go(func() {
			_, ended = b.until(func() (payment.Charge, error) { return b.Void(b.Context(), tokenless(a)) })
		})
		group.Wait()
		want := int64(0)
		if took == nil {
			want = a.Amount.Minor
		}
		if (took == nil) == (ended == nil) || !errors.Is(errors.Join(took, ended), payment.ErrRejected) {
			b.Errorf("capture: %v, void: %v", took, ended)
		}
		b.holds(a, want)
	}
}

// Each request that a call makes is broken in each way, once. The call then says that it does not know, or it is
// right all the same; and the same call again is the same payment.
func testFaults(t *testing.T, company func(t *testing.T) Company) {
	for _, call := range []struct {
		name string
		want payment.Status
		held int64
		// ready makes what the call is about.
		ready func(b bench) (payment.Authorisation, payment.Charge)
	}{
		{"authorise", payment.ChargeAuthorised, euros.Minor, func(b bench) (payment.Authorisation, payment.Charge) {
			return b.wish(Pays), payment.Charge{}
		}},
		{"capture", payment.ChargeCaptured, euros.Minor, func(b bench) (payment.Authorisation, payment.Charge) { return b.authorised(euros) }},
		{"void", payment.ChargeVoided, 0, func(b bench) (payment.Authorisation, payment.Charge) { return b.authorised(euros) }},
		{"refund", payment.ChargeCaptured, 0, func(b bench) (payment.Authorisation, payment.Charge) { return b.captured(euros) }},
		{"get", payment.ChargeAuthorised, euros.Minor, func(b bench) (payment.Authorisation, payment.Charge) { return b.authorised(euros) }},
		{"find", payment.ChargeAuthorised, euros.Minor, func(b bench) (payment.Authorisation, payment.Charge) {
			a, c := b.authorised(euros)
			b.found(a.Reference)
			return a, c
		}},
	} {
		t.Run(call.name, func(t *testing.T) {
			c := company(t)
			for name, fault := range Faults {
				t.Run(name, func(t *testing.T) {
					b := bench{t, c}
					requests := 0
					for b.broken(call.name, fault, requests, call.want, call.held, call.ready) {
						if requests++; requests > 20 {
							t.Fatal("a call makes requests without end")
						}
					}
					if requests == 0 {
						t.Error("no request was made to fail")
					}
				})
			}
		})
	}
}

func (b bench) broken(name string, fault Fault, after int, want payment.Status, held int64,
	ready func(bench) (payment.Authorisation, payment.Charge)) (hit bool) {
	b.Helper()
	a, c := ready(b)
	call := calls(b, a, c)[name]
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.Wire.Arm(fault, after, cancel)
	got, err := call(ctx)
	hit = b.Wire.Disarm()
	switch {
	case err == nil:
		b.is(got, nil, want)
	case !hit || !errors.Is(err, payment.ErrOutcomeUnknown):
		b.Errorf("request %d: %v", after, err)
	}
	for range 2 {
		got, err = call(b.Context())
		b.is(got, err, want)
	}
	b.holds(a, held)
	return hit
}
