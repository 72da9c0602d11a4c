package rush

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
	"github.com/rialto-live/rialto/commerce/guard"
)

const (
	// NodeCommand is the hidden word after `rialto bench` that the node is started with.
	NodeCommand = "node"
	// NodeReady begins the line with which it says where it listens: its address, a space, and that of its profiles.
	NodeReady = "bench: node on "

	nodeWithin = 20 * time.Second
	// guests is how many browsers the taps over HTTP come from, in turn.
	guests = 1 << 14
)

// node is the program as a process of its own, on the stores of the bench.
type node struct {
	*embedded.Child
	addr     string // host and port
	profiles string
	secret   string
	guests   *invited // nil until invite
}

func (b *bench) startNode(ctx context.Context) (*node, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("this program: %w", err)
	}
	// Somebody was there all the time. A node that finds nobody's beat takes it for an outage, and moves the deadline of each hold
	// that the parts before have made.
	if _, err := b.db.Exec(ctx, `update beat set at = clock_timestamp()`); err != nil {
		return nil, fmt.Errorf("beat: %w", err)
	}
	raw := make([]byte, guard.MinSecret)
	_, _ = rand.Read(raw) // never fails in crypto/rand
	n := &node{secret: hex.EncodeToString(raw)}
	var said atomic.Pointer[string]
	n.Child, err = embedded.StartChild(ctx, embedded.ChildOptions{
		Name: "node", Path: program, Args: []string{"bench", NodeCommand},
		Env: []string{
			"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "LOG_LEVEL=WARN",
			"DATABASE_URL=" + b.postgres.DSN(), "REDIS_URL=" + b.server.URL(), "RIALTO_SECRET=" + n.secret,
			"LISTEN=127.0.0.1:0", "ADMIN_LISTEN=127.0.0.1:0", "MEDIA_PORT=0", "HOLD_TTL=1h",
			"TRUSTED_PROXY=1",                                                                  // each tap over HTTP says where it comes from
			"RIALTO_SANDBOX=1", "SANDBOX_URL=http://127.0.0.1:9", "SANDBOX_SECRET=" + n.secret, // nobody pays
		},
		Line: func(line string) {
			if at, ok := strings.CutPrefix(line, NodeReady); ok {
				said.Store(&at)
			} else {
				fmt.Fprintf(b.Progress, "    node: %s\n", line)
			}
		},
		Ready: func(context.Context) error {
			if said.Load() == nil {
				return errors.New("it has not said where it listens")
			}
			return nil
		},
		ReadyWithin: nodeWithin,
	})
	if err != nil {
		return nil, err
	}
	n.addr, n.profiles, _ = strings.Cut(*said.Load(), " ")
	return n, nil
}

// market is what the node sells.
type market struct {
	node *node
	stall
}

// wired has a crowd of lines tap at the real program, and compares what they were told with what Postgres has.
func (b *bench) wired(ctx context.Context, dial func(context.Context, market) (wire, error), n *node, units int) (t tapped, err error) {
	sold, err := b.sell(ctx, units)
	if err != nil {
		return t, err
	}
	m := market{n, sold}
	c, err := newCrowd(ctx, m, b.Buyers, dial)
	if err != nil {
		return t, err
	}
	defer c.close()
	from := time.Now().Add(warmFor)
	if err := c.run(ctx, from, from.Add(b.window())); err != nil {
		return t, err
	}
	t.won, t.lost = float64(c.won)/b.window().Seconds(), float64(c.lost)/b.window().Seconds()
	slices.Sort(c.yours)
	t.yours = c.yours
	var held, taken int
	if err := b.db.QueryRow(ctx, `select (select count(*) from hold where pool = $1 and state = 'held'), taken from pool where id = $1`, m.pool).
		Scan(&held, &taken); err != nil {
		return t, fmt.Errorf("count what was held: %w", err)
	}
	if t.wrong = max(held-c.told, c.told-held) + max(held-taken, taken-held); t.wrong == 0 && taken > units {
		t.wrong = taken - units
	}
	return t, nil
}

// overTheWire measures one way to tap: with units for everybody, and where nearly all lose.
func (b *bench) overTheWire(ctx context.Context, way string) (holds, taps tapped, err error) {
	dials := map[string]func(context.Context, market) (wire, error){"http": dialHTTP, "socket": dialSocket}
	n, err := b.startNode(ctx)
	if err != nil {
		return holds, taps, err
	}
	defer func() { err = errors.Join(err, n.Stop()) }()
	fmt.Fprintf(b.Progress, "    profiles are at http://%s/debug/pprof/\n", n.profiles)
	if way == "http" {
		if err := n.invite(); err != nil {
			return holds, taps, err
		}
	}
	if holds, err = b.wired(ctx, dials[way], n, plenty); err != nil {
		return holds, taps, fmt.Errorf("holds over %s: %w", way, err)
	}
	if taps, err = b.wired(ctx, dials[way], n, few); err != nil {
		return holds, taps, fmt.Errorf("taps over %s: %w", way, err)
	}
	return holds, taps, nil
}
