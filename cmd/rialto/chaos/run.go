package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rialto-live/rialto/commerce/crash"
)

// maxShown is how many breaches of one cell are told with their history; all are counted.
const maxShown = 5

// Run goes through the matrix of o, on stores and nodes of its own, and says what held. The error is about what kept it from
// running; broken promises are in the result, and end the run with the cell in which they broke: its data is kept.
func Run(ctx context.Context, o Options) (result Result, err error) {
	o = o.withDefaults()
	fmt.Fprintf(o.Progress, "chaos: seed %d\n", o.Seed)
	if o.Data == "" {
		if o.Data, err = os.MkdirTemp("", "rialto-chaos-"); err != nil {
			return result, err
		}
		defer func() {
			if err == nil && result.OK {
				err = os.RemoveAll(o.Data)
			}
		}()
	}
	w, err := openWorld(ctx, o, o.Data)
	if err != nil {
		return result, fmt.Errorf("chaos of seed %d: %w", o.Seed, err)
	}
	result, err = w.run(ctx)
	if err = errors.Join(err, w.close()); err != nil {
		return result, fmt.Errorf("chaos of seed %d, data in %s: %w", o.Seed, o.Data, err)
	}
	return result, nil
}

// run does cell after cell.
func (w *world) run(ctx context.Context) (Result, error) {
	result := newResult(w.o)
	began := time.Now()
	for n := 0; !w.o.done(n, result.Attempts, time.Since(began)); n++ {
		at := cellAt(w.o.Seed, n)
		if w.o.Only != "" {
			only, err := named(w.o.Only)
			if err != nil {
				return result, err
			}
			at = only
			at.Pass += n
			at = at.of(w.o.Seed)
		}
		r, err := w.cell(ctx, at)
		if err != nil {
			return result, err
		}
		result.add(r, time.Since(began))
		r.tell(w.o.Progress, n+1, result)
		if len(r.Breaches) > 0 {
			fmt.Fprintf(w.o.Progress, "chaos: seed %d, cell %s; again: %s\nchaos: the stores and what the programs said (%s) are kept in %s\n",
				w.o.Seed, at.Name(), w.o.command(at), w.logs(), w.dir)
			break
		}
	}
	result.OK = len(result.breaches) == 0
	return result, nil
}

// CanDie says whether this program has places to die at: Options.Program may be it then.
func CanDie() bool { return crash.Built }
