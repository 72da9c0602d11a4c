package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	setDeliveryUsage = "set-delivery ZONE CURRENCY AMOUNT|none           like: set-delivery world EUR 19.90"
	setTaxUsage      = "set-tax COUNTRY[-REGION] PERCENT included|added  like: set-tax US-CA 7.25 added"
)

// runCosts lists what orders cost besides their goods, from now on.
func runCosts(ctx context.Context, args []string, at terminal) error {
	return withStores(ctx, "admin costs", args, at, func(s *stores) error {
		var rates []delivery.FlatRate
		var taxes []delivery.TaxRate
		err := schema.Snapshot(ctx, s.pool, func(ctx context.Context, q schema.Querier, _ time.Time) (err error) {
			if rates, err = delivery.Rates(ctx, q); err != nil {
				return err
			}
			taxes, err = delivery.Taxes(ctx, q)
			return err
		})
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(at.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "DELIVERY\tPER ORDER")
		for _, r := range rates {
			fmt.Fprintf(table, "%s\t%v\n", r.Zone, r.Amount)
		}
		fmt.Fprintln(table, "\nTAX OF\tPERCENT\t\tCALLED")
		for _, t := range taxes {
			fmt.Fprintf(table, "%s\t%v\t%s\t%s\n", t.Place(), t.Rate, counted(t.Included), t.Kind)
		}
		return table.Flush()
	})
}

// counted is the word of the command line for how a tax is counted.
func counted(included bool) string {
	if included {
		return "included"
	}
	return "added"
}

// runSetDelivery changes what delivery costs. Orders that exist keep theirs.
func runSetDelivery(ctx context.Context, args []string, at terminal) error {
	words, rest, err := words(3, setDeliveryUsage, args)
	if err != nil {
		return err
	}
	zone, currency := delivery.Zone(words[0]), strings.ToUpper(words[1])
	rate, err := money.Amount{}, error(nil)
	if words[2] == "none" {
		rate.Currency, err = money.ParseCurrency(currency)
	} else {
		rate, err = money.Parse(words[2], currency)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	return change(ctx, "admin set-delivery", rest, at, func(ctx context.Context, tx pgx.Tx) (string, error) {
		if words[2] == "none" {
			return fmt.Sprintf("orders in %s are delivered to no %s address any more", currency, zone), delivery.RemoveRate(ctx, tx, zone, rate.Currency)
		}
		return fmt.Sprintf("delivery to a %s address costs %v per order", zone, rate), delivery.SetRate(ctx, tx, delivery.FlatRate{Zone: zone, Amount: rate})
	})
}

// runSetTax changes a tax. Orders that exist keep theirs.
func runSetTax(ctx context.Context, args []string, at terminal) error {
	words, rest, err := words(3, setTaxUsage, args)
	if err != nil {
		return err
	}
	country, region, _ := strings.Cut(strings.ToUpper(words[0]), "-")
	rate, err := delivery.ParseRate(words[1])
	if err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	tax := delivery.TaxRate{Country: country, Region: region, Rate: rate, Included: words[2] == counted(true)}
	if !tax.Included && words[2] != counted(false) {
		return fmt.Errorf("a tax is included in what is shown, or added to it, not %.20q: %w", words[2], errUsage)
	}
	return change(ctx, "admin set-tax", rest, at, func(ctx context.Context, tx pgx.Tx) (string, error) {
		return fmt.Sprintf("the tax of %s is %v %%, %s", tax.Place(), tax.Rate, words[2]), delivery.SetTax(ctx, tx, tax)
	})
}

// words takes what stands before the flags of a command.
func words(n int, usage string, args []string) (taken, rest []string, err error) {
	if len(args) < n {
		return nil, nil, fmt.Errorf("admin %s: %w", strings.Join(strings.Fields(usage), " "), errUsage)
	}
	return args[:n], args[n:], nil
}

// change makes one change and says what it was.
func change(ctx context.Context, name string, args []string, at terminal, do func(context.Context, pgx.Tx) (string, error)) error {
	return withStores(ctx, name, args, at, func(s *stores) error {
		var said string
		err := schema.InTx(ctx, s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
			said, err = do(ctx, tx)
			return err
		})
		for _, mistake := range []error{delivery.ErrZone, delivery.ErrCountry, delivery.ErrRate} {
			if errors.Is(err, mistake) {
				return fmt.Errorf("%w: %w", err, errUsage)
			}
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(at.out, "rialto: %s\n", said)
		return nil
	})
}
