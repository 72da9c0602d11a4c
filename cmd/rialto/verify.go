package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/chain"
	"github.com/rialto-live/rialto/commerce/verify"
)

// runVerify checks the stores, or with --chain a file, for which it needs no store and no setting.
func runVerify(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("verify")
	file := flags.String("chain", "", "check a stock ledger that was downloaded, and nothing else: a `file`, or - for what is piped in")
	hold := flags.String("hold", "", "with --chain: the `id` of a hold, to see where its units are")
	again := flags.Bool("rebuild", false, "after a backup of Postgres was restored: find the charges of purchases that are lost with what came after it")
	since := flags.Duration("since", defaultSince, "with --rebuild: `how long` ago the backup was made, or longer")
	yes := flags.Bool("yes", false, "with --rebuild: give their money back")
	data := dataFlag(flags)
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if *file != "" {
		return verifyChain(ctx, *file, *hold, at)
	}
	if *hold != "" {
		return fmt.Errorf("--hold needs --chain: %w", errUsage)
	}
	if *yes && !*again {
		return fmt.Errorf("--yes needs --rebuild: %w", errUsage)
	}
	return onStores(ctx, *data, at, func(s *stores) error {
		if *again {
			return rebuild(ctx, s, *since, *yes, at)
		}
		copies, err := s.gate()
		if err != nil {
			return err
		}
		breaches, err := verify.Run(ctx, s.pool, copies, at.out)
		if err != nil {
			return err
		}
		if breaches > 0 {
			return fmt.Errorf("%d promises are broken", breaches)
		}
		return nil
	})
}

// verifyChain says what it has checked, or the first line that is wrong.
func verifyChain(ctx context.Context, name, hold string, at terminal) error {
	var find commerce.HoldID
	if hold != "" {
		id, err := commerce.Parse[commerce.HoldID](hold)
		if err != nil {
			return fmt.Errorf("--hold: %w: %w", err, errUsage)
		}
		find = id
	}
	from := at.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	}
	r, err := chain.Check(ctx, from, find)
	var wrong *chain.LineError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s is not whole: %w", name, wrong)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return report(at.out, r, hold)
}

func report(w io.Writer, r chain.Report, hold string) error {
	_, err := fmt.Fprintf(w, `ok     %d lines: the stock ledger of %s is whole
ok     rows: %d, numbered without gaps, each sealed with the one before it and with its holds
ok     no bucket was ever below zero
ok     allocated %d = available %d + held %d (%d of them being paid) + sold %d
       the last hash is %s
       Compare it with the one that the ledger's page shows.
`, r.Lines, r.Pool, r.N, r.Allocated, r.Available, r.Held, r.Paying, r.Sold, r.Hash)
	if hold == "" || err != nil {
		return err
	}
	if len(r.Found) == 0 {
		return fmt.Errorf("%s is in no row", hold)
	}
	for _, row := range r.Found {
		if _, err := fmt.Fprintf(w, "       row %d, %s: %s, %s to %s\n", row.N, row.At, row.Kind, row.Origin, row.Target); err != nil {
			return err
		}
	}
	return nil
}
