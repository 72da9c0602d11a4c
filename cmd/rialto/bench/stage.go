package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"

	"github.com/rialto-live/rialto/cmd/rialto/load"
	"github.com/rialto-live/rialto/media/client"
)

// takeCores pins this process, the load, to one core and names the one for the server. It stays so.
func takeCores(bench string) (server int, err error) {
	list, err := cores()
	if err != nil {
		return 0, err
	}
	if len(list) < 2 {
		return 0, fmt.Errorf("bench %s needs two cores, one for the server and one for the load; this process may use one", bench)
	}
	if err := pinAll(list[0]); err != nil {
		return 0, err
	}
	runtime.GOMAXPROCS(1)
	return list[1], nil
}

// conduct pins this process, measures, and writes what came out, as JSON or for people.
func conduct[R interface{ print(io.Writer) }](ctx context.Context, bench string, asJSON bool, out io.Writer,
	measure func(context.Context, int) (R, error)) (r R, err error) {
	core, err := takeCores(bench)
	if err != nil {
		return r, err
	}
	if r, err = measure(ctx, core); err != nil {
		return r, err
	}
	if asJSON {
		return r, json.NewEncoder(out).Encode(r)
	}
	r.print(out)
	return r, nil
}

// stage is a server that runs, with its publisher on air.
type stage struct {
	child     *child
	source    *source
	publisher *client.Publisher
	silence   context.CancelFunc
}

// openStage starts a server of a kind and publishes to it. An error leaves nothing behind.
func openStage(ctx context.Context, kind string, core int) (s *stage, err error) {
	s = &stage{}
	if s.child, err = startChild(ctx, kind, core); err != nil {
		return nil, err
	}
	live, silence := context.WithCancel(ctx)
	s.silence = silence
	s.source = newSource(live)
	s.publisher, err = client.Publish(ctx, client.PublisherConfig{
		URL: s.child.url + "/whip/" + show, Token: "bench", Source: s.source, Network: client.Network{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})},
	})
	if err != nil {
		silence()
		return nil, errors.Join(fmt.Errorf("publish: %w", err), s.child.Kill())
	}
	return s, nil
}

// close ends all. The server goes before its viewers do: hundreds of goodbyes would measure nothing.
func (s *stage) close() error {
	s.silence()
	s.publisher.Abandon()
	return s.child.Kill()
}

// whep is where the show is watched.
func (s *stage) whep() string { return s.child.url + "/whep/" + show }

// warm has one viewer watch and leave, so that what a server makes once is made.
func (s *stage) warm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, liveWithin)
	defer cancel()
	probe, err := client.Watch(ctx, client.ViewerConfig{
		URL: s.whep(), Patience: liveWithin, Network: client.Network{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})},
	})
	if err != nil {
		return fmt.Errorf("the first viewer: %w", err)
	}
	err = probe.Await(ctx, func(s client.ViewerStats) bool { return s.Video.Frames > 0 })
	if err != nil {
		return errors.Join(fmt.Errorf("the first viewer sees nothing: %w", err), probe.Close())
	}
	_ = probe.Close() // the baseline knows no DELETE
	return load.Rest(ctx, warmFor)
}
