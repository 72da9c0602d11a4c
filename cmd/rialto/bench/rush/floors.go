package rush

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
)

const (
	setClients  = 50
	setCalls    = 200_000
	lockClients = 32
)

// set is how many SET a second redis-benchmark gets from this Redis.
func (b *bench) set(ctx context.Context) (float64, error) {
	path, err := exec.LookPath("redis-benchmark")
	if err != nil {
		return 0, fmt.Errorf("the yardstick is redis-benchmark, which is not here (Debian's package redis-tools has it): %w", err)
	}
	var said strings.Builder
	call := exec.CommandContext(ctx, path, "-s", b.redis.Options().Addr, "-t", "set", "-c", strconv.Itoa(setClients), "-n", strconv.Itoa(setCalls), "--csv")
	call.Stdout = &said
	if err := call.Run(); err != nil {
		return 0, fmt.Errorf("redis-benchmark: %w", err)
	}
	return setSpeed(said.String())
}

// setSpeed reads what redis-benchmark --csv says: a head, and a line per test.
func setSpeed(text string) (float64, error) {
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return 0, fmt.Errorf("redis-benchmark says what cannot be read: %w", err)
	}
	for _, line := range lines {
		if len(line) > 1 && line[0] == "SET" {
			return strconv.ParseFloat(line[1], 64)
		}
	}
	return 0, errors.New("redis-benchmark does not say how fast SET is")
}

// forUpdate is how many reservations a second many shops' way brings for one item: the row is locked, its stock is compared
// in the application, the reservation is inserted and the row is written, in a transaction of its own each.
func (b *bench) forUpdate(ctx context.Context) (float64, error) {
	if _, err := b.db.Exec(ctx, `
		drop schema if exists shop cascade;
		create schema shop;
		create table shop.item (id int primary key, stock int not null, allocated int not null);
		create table shop.reservation (id uuid primary key, item int not null references shop.item, buyer text not null, quantity int not null,
			created_at timestamptz not null default now());
		create index on shop.reservation (item);
		insert into shop.item values (1, 1000000000, 0)`); err != nil {
		return 0, fmt.Errorf("prepare the shop's tables: %w", err)
	}
	reserve := func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, b.db, func(tx pgx.Tx) error {
			var stock, allocated int
			if err := tx.QueryRow(ctx, `select stock, allocated from shop.item where id = 1 for update`).Scan(&stock, &allocated); err != nil {
				return err
			}
			if stock-allocated < 1 {
				return errors.New("sold out")
			}
			if _, err := tx.Exec(ctx, `insert into shop.reservation (id, item, buyer, quantity) values ($1, 1, $2, 1)`,
				commerce.NewID[commerce.HoldID](), commerce.NewID[commerce.GuestID]().String()); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `update shop.item set allocated = allocated + 1 where id = 1`)
			return err
		})
	}
	perSecond, err := b.clients(ctx, reserve)
	if err != nil {
		return 0, fmt.Errorf("reserve as shops do: %w", err)
	}
	return perSecond, nil
}

// clients has lockClients do something again and again, and says how often a second it was done in the window.
func (b *bench) clients(ctx context.Context, do func(context.Context) error) (float64, error) {
	var done atomic.Int64
	clients, ctx := errgroup.WithContext(ctx)
	from := time.Now().Add(warmFor)
	until := from.Add(b.window())
	for range lockClients {
		clients.Go(func() error {
			for now := time.Now(); now.Before(until); now = time.Now() {
				if err := do(ctx); err != nil {
					return err
				}
				if ended := time.Now(); !ended.Before(from) && ended.Before(until) {
					done.Add(1)
				}
			}
			return nil
		})
	}
	err := clients.Wait()
	return float64(done.Load()) / b.window().Seconds(), err
}
