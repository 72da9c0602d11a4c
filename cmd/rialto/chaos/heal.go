package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/verify"
)

const (
	hurryEvery = 300 * time.Millisecond
	askEvery   = 150 * time.Millisecond
	askedAgain = 4 // of the holds of a buyer, at the other node
	// verifyWithin is how long the program's own repairs may take, of a drift between Redis and Postgres above all.
	verifyWithin = 30 * time.Second
	// rebuildSince is longer ago than any cell began.
	rebuildSince = "1h"
)

// heal gives back what the failure and the fault took away, and says how many places to die at were reached.
func (c *cell) heal() (reached int, err error) {
	w := c.world
	c.history.note("all is well from here on")
	if err := errors.Join(w.stores.startRedis(c.ctx), w.stores.startPostgres(c.ctx)); err != nil {
		return 0, err
	}
	w.db.Reset() // its connections may be to a server that is gone
	w.sandbox.release()
	if _, err := w.sandbox.await(c.ctx); err != nil {
		return 0, err
	}
	c.history.note("%d calls and webhooks went wrong", w.wire.weather(bankFaults{}, hookFaults{}, c.Cell))
	if !c.lostSince.IsZero() {
		said, err := w.command(c.ctx, "verify", "--rebuild", "--yes", "--since", rebuildSince)
		c.history.note("rebuilt: %s", strings.ReplaceAll(strings.TrimSpace(said), "\n", "; "))
		if err != nil {
			return 0, fmt.Errorf("rebuild: %w: %s", err, said)
		}
	}
	for _, n := range w.nodes {
		n.release()
		died, err := n.disarm()
		if err != nil {
			return 0, err
		}
		reached += died
	}
	return reached, w.ready(c.ctx)
}

// hurry lets the time pass for which what the dead have claimed is left to them, and in which who waits at a bank may
// still confirm: half a minute, and ten.
func (c *cell) hurry(ctx context.Context, walked []commerce.OrderID) error {
	for _, sql := range []string{
		`update payment set driven_until = now(), next_at = now() where driven_until is not null and changed_at < now() - interval '2 seconds'`,
		`update payment set next_at = now() where state in ('intent', 'unknown', 'voiding') and next_at > now()`,
		`update payment_event set next_at = now() where done_at is null`,
		// Of a payment that was lost with what a backup did not have: ten minutes.
		`update payment_event e set received_at = received_at - interval '10 minutes' where done_at is null
			and not exists (select from payment p where e.reference = 'pay_' || replace(p.id::text, '-', ''))`,
		`update outbox set not_before = now() where lane = 'effect' and done_at is null and attempts > 0 and not_before > now()`,
	} {
		if _, err := c.world.db.Exec(ctx, sql); err != nil {
			return fmt.Errorf("let time pass: %w", err)
		}
	}
	_, err := c.world.db.Exec(ctx, `update payment set deadline = now(), next_at = now() where order_id = any($1) and state = 'requires_action'`, walked)
	if err != nil {
		return fmt.Errorf("let time pass: %w", err)
	}
	return nil
}

// settle has every buyer find out what became of what they tried, as pages do: with the same id, until there is an answer.
func (c *cell) settle(ctx context.Context) (walked []commerce.OrderID, err error) {
	holds, orders := map[int][]*asked{}, map[int][]*pay{}
	for _, a := range c.history.holds() {
		holds[a.buyer] = append(holds[a.buyer], a)
	}
	for _, p := range c.history.orders() {
		orders[p.buyer] = append(orders[p.buyer], p)
		if p.card.asks && p.card.answer == "" {
			walked = append(walked, p.order)
		}
	}
	var all errgroup.Group
	for _, b := range c.world.buyers {
		all.Go(func() error { return b.findOut(ctx, holds[b.number], orders[b.number]) })
	}
	return walked, all.Wait()
}

// findOut is one buyer's.
func (b *buyer) findOut(ctx context.Context, holds []*asked, orders []*pay) error {
	repeated := 0
	for _, a := range holds {
		if a.known && (!a.yours || repeated >= askedAgain) {
			continue
		}
		if a.yours {
			repeated++
		}
		t := a.tap
		t.node, t.how = (a.node+1)%nodeCount, "when all is well"
		if err := repeat(ctx, func() bool { return b.tapHTTP(ctx, b.calm, t, whole, kindAfter) != unknown }); err != nil {
			return fmt.Errorf("buyer %d never has an answer about hold %s: %w", b.number, t.hold, err)
		}
	}
	for _, p := range orders {
		if err := repeat(ctx, func() bool { return b.decided(ctx, *p) }); err != nil {
			return fmt.Errorf("buyer %d never has an answer about order %s: %w", b.number, p.order, err)
		}
	}
	return nil
}

// decided asks once what became of an order, and goes on with it. Who walks away does not.
func (b *buyer) decided(ctx context.Context, p pay) bool {
	p.node = (p.node + 1) % nodeCount
	o, action := b.payFor(ctx, b.calm, p, whole, kindAfter)
	switch {
	case o == unknown:
		return false
	case action == "":
		return true
	case p.card.answer == "":
		return true
	}
	b.atBank(ctx, b.calm, p, action)
	return false
}

// repeat does something until it is done.
func repeat(ctx context.Context, done func() bool) error {
	for !done() {
		if pause(ctx, askEvery); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// unfinished counts what is still under way, in the words that it is told in.
func (c *cell) unfinished(ctx context.Context) (words []string, err error) {
	for what, sql := range map[string]string{
		"payments without an end": `select count(*) from payment where state not in ('captured', 'failed', 'voided')`,
		"effects to be done":      `select count(*) from outbox where lane = 'effect' and done_at is null and parked_at is null`,
		"notices to be heeded":    `select count(*) from payment_event where done_at is null`,
		"messages put aside":      `select count(*) from outbox where parked_at is not null`,
	} {
		var n int
		if err := c.world.db.QueryRow(ctx, sql).Scan(&n); err != nil {
			return nil, err
		}
		if n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, what))
		}
	}
	return words, nil
}

// rest waits until everybody knows and nothing is under way. What does not come to rest is a broken promise.
func (c *cell) rest() (broken []breach, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	var group errgroup.Group
	settled := make(chan struct{})
	var walked []commerce.OrderID
	group.Go(func() (err error) {
		defer close(settled)
		walked, err = c.settle(ctx)
		return err
	})
	for waiting := true; waiting && ctx.Err() == nil; {
		_ = c.hurry(ctx, nil) // it comes again
		select {
		case <-settled:
			waiting = false
		case <-time.After(hurryEvery):
		}
	}
	if err := group.Wait(); err != nil {
		return []breach{{promise: comesToRest, words: err.Error()}}, c.ctx.Err()
	}
	for {
		words, err := c.unfinished(ctx)
		if err == nil && len(words) == 0 {
			return nil, nil
		}
		if err == nil {
			err = c.hurry(ctx, walked)
		}
		if pause(ctx, hurryEvery); ctx.Err() != nil {
			return []breach{{promise: comesToRest, words: strings.Join(append(words, fmt.Sprint(err)), ", ")}}, c.ctx.Err()
		}
	}
}

// judge lets everything come to rest and compares.
func (c *cell) judge(r *report) error {
	broken, err := c.rest()
	if err != nil {
		return err
	}
	f, err := c.facts(c.ctx)
	if err != nil {
		return err
	}
	found, lost := judge(c.history, f)
	r.Breaches, r.LostWithBackup = append(broken, found...), lost
	c.mu.Lock()
	for _, words := range c.odds {
		r.Breaches = append(r.Breaches, breach{promise: alike, words: words})
	}
	c.mu.Unlock()
	return c.verify(r)
}

// verify asks what `rialto verify` asks. A drift of the gate is looked for and mended by the nodes themselves, in seconds.
func (c *cell) verify(r *report) error {
	deadline := time.Now().Add(verifyWithin)
	for {
		var out strings.Builder
		n, err := verify.Run(c.ctx, c.world.db, c.world.gate, &out)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			r.Breaches = append(r.Breaches, breach{promise: verified, words: badLines(out.String())})
			return nil
		}
		pause(c.ctx, lookAgain)
	}
}

// badLines are those about what is broken.
func badLines(text string) string {
	var bad []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "ok ") {
			bad = append(bad, strings.TrimSpace(line))
		}
	}
	return strings.Join(bad, "; ")
}
