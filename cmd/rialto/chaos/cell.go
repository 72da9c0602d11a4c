package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/realtime"
	rooms "github.com/rialto-live/rialto/realtime/client"
)

// The pools of a cell: what is gone at once, what is soon gone, and what lasts.
const (
	poolOne = iota
	poolFew
	poolMany
	poolCount
)

// poolUnits is how many units each has.
var poolUnits = [poolCount]int{3, 40, 600}

// joinWithin is how long a socket is waited for before the crowd begins without it.
const joinWithin = 5 * time.Second

// cell is one failure under one fault, with a crowd.
type cell struct {
	Cell
	world   *world
	plan    plan
	history *history
	sale    sale
	ctx     context.Context // of all of it
	load    context.Context // of the crowd

	opensAt   time.Time // of the drop; zero: there is none
	byHand    map[commerce.HoldID]bool
	lostSince time.Time

	mu   sync.Mutex
	odds []string // guarded by mu: answers that are none
}

func (c *cell) odd(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.odds = append(c.odds, fmt.Sprintf(format, args...))
}

// cell does one, and says what it found.
func (w *world) cell(ctx context.Context, at Cell) (report, error) {
	c := &cell{Cell: at, world: w, plan: newPlan(at, w.o.load), history: &history{}, ctx: ctx, byHand: map[commerce.HoldID]bool{}}
	r := report{Cell: at.Name(), Failure: rows[at.Row].failure, plan: c.plan, history: c.history}
	began := time.Now()
	if err := c.prepare(); err != nil {
		return r, fmt.Errorf("%s: prepare: %w", at.Name(), err)
	}
	if err := c.rush(); err != nil {
		return r, fmt.Errorf("%s: the crowd: %w", at.Name(), err)
	}
	reached, err := c.heal()
	if err != nil {
		return r, fmt.Errorf("%s: heal: %w", at.Name(), err)
	}
	r.Reached = reached
	if err := c.judge(&r); err != nil {
		return r, fmt.Errorf("%s: judge: %w", at.Name(), err)
	}
	r.Attempts, r.Took = c.history.attempts(), time.Since(began)
	return r, nil
}

// prepare puts a show on sale, of a creator of its own.
func (c *cell) prepare() error {
	browser := newBrowser(addressOf(3, int(c.Cell.Seed%50_000)))
	defer browser.CloseIdleConnections()
	cookie := ""
	do := func(method, path string, in any) error {
		a, header, err := ask(c.ctx, browser, cookie, c.world.urls[0], method, path, in)
		if err == nil && a.status >= http.StatusBadRequest {
			err = fmt.Errorf("%s %s: %d %v", method, path, a.status, a.body)
		}
		if got := cookies(header); got != "" {
			cookie = got
		}
		return err
	}
	account := commerce.NewID[commerce.AccountID]()
	if err := do(http.MethodPost, "/accounts", map[string]any{
		"id": account, "email": account.String() + "@example.com", "name": "Mara", "password": "market-on-a-bridge", "roles": []string{"creator"},
	}); err != nil {
		return err
	}
	c.sale.show = commerce.NewID[commerce.ShowID]()
	show := "/shows/" + c.sale.show.String()
	if err := do(http.MethodPut, show, map[string]any{"title": "Mara's kitchen"}); err != nil {
		return err
	}
	for pool, units := range poolUnits {
		variant := commerce.NewID[commerce.VariantID]()
		c.sale.variants = append(c.sale.variants, variant)
		if err := do(http.MethodPut, show+"/products/"+commerce.NewID[commerce.ProductID]().String(), map[string]any{
			"title": fmt.Sprint("Copper pan ", pool), "description": "Hand-hammered.", "stock": units, "variant": variant,
			"price": map[string]any{"amount": 4900, "currency": "EUR"},
		}); err != nil {
			return err
		}
	}
	if rows[c.Row].number != rowDrop {
		return nil
	}
	c.opensAt = time.Now().Add(c.world.o.load * 2 / 5).Truncate(time.Millisecond)
	return do(http.MethodPut, show+"/drops/"+commerce.NewID[commerce.DropID]().String(), map[string]any{
		"variant": c.sale.variants[poolFew], "opens_at": c.opensAt.UTC(),
	})
}

// rowDrop is the failure in which something opens at a time.
const rowDrop = 18

// rush lets everybody buy while the failure and the fault come.
func (c *cell) rush() error {
	sockets, leave := context.WithCancel(c.ctx)
	var seats sync.WaitGroup
	defer seats.Wait()
	defer leave()
	c.sit(sockets, &seats)
	load, cancel := context.WithTimeout(c.ctx, c.world.o.load)
	defer cancel()
	c.load = load
	r, f := rows[c.Row], faults[c.Fault]
	c.world.wire.weather(r.bank.add(f.bank), r.hooks, c.Cell)
	var crowd sync.WaitGroup
	for _, b := range c.world.buyers {
		rng := c.draws(streamBuyers + b.number)
		crowd.Go(func() { b.shop(load, rng) })
	}
	var trouble errgroup.Group
	trouble.Go(c.death)
	for _, strike := range []func(*cell) error{r.script, f.strike} {
		if strike != nil {
			trouble.Go(func() error { return strike(c) })
		}
	}
	err := trouble.Wait()
	if err != nil {
		cancel()
	}
	crowd.Wait()
	return errors.Join(err, c.ctx.Err())
}

// death is the program's: at a place, or at a moment.
func (c *cell) death() error {
	if err := c.after(c.plan.dies); err != nil {
		return err
	}
	n := c.world.nodes[c.plan.victim]
	if c.plan.place == "" {
		c.history.note("node %d is killed", c.plan.victim)
		return n.kill("")
	}
	c.history.note("node %d is to die at %s:%d", c.plan.victim, c.plan.place, c.plan.pass)
	return n.kill(fmt.Sprintf("%s:%d", c.plan.place, c.plan.pass))
}

// sit lets some buyers into the show's room, and waits until they are in.
func (c *cell) sit(ctx context.Context, seats *sync.WaitGroup) {
	for _, b := range c.world.buyers {
		b.cell, b.history, b.socket = c, c.history, nil
		if b.number%socketBuyers != 0 {
			continue
		}
		b.socket = rooms.New(rooms.Config{
			URL: "ws" + c.world.urls[b.number/socketBuyers%nodeCount][len("http"):] + "/ws", Room: realtime.RoomID(c.sale.show.String()),
			Header: http.Header{"Cookie": {b.cookie}}, LocalAddr: localAddr(addressOf(1, b.number)), BackoffMost: time.Second,
		})
		client := b.socket
		seats.Go(func() {
			if err := client.Run(ctx); err != nil {
				c.odd("a room sent buyer %d away: %v", b.number, err)
			}
		})
	}
	within, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	for _, b := range c.world.buyers {
		for b.socket != nil && !b.socket.Stats().Joined && within.Err() == nil {
			pause(within, lookAgain)
		}
	}
}
