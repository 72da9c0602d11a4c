package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
)

// ChildCommand is the hidden word after `rialto bench` that a child is started with.
const ChildCommand = "child"

const (
	readyPrefix  = "bench: ready on "
	startWithin  = 20 * time.Second
	headerWithin = 10 * time.Second
)

// server is a kind of child: what it serves, and what it runs beside.
type server struct {
	handler http.Handler
	run     []func(context.Context) error
	metrics prometheus.Gatherer // nil: it has none
}

// kinds of children.
var kinds = map[string]func() (*server, error){
	"relay": newRelay, "static": newStatic, "floor": newFloor,
	"hub": newHub, "hub-patient": newPatientHub, "hub-chat": newTalkingHub, "rawwrite": newRawWrite,
}

// anyCore leaves a child on the cores that its parent has.
const anyCore = -1

// Child is the other end of the benches: it serves one kind until ctx is done. args are the kind and the core it runs on,
// or anyCore.
func Child(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 2 || kinds[args[0]] == nil {
		return errors.New("bench child is started by the other benches alone")
	}
	core, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("core %q: %w", args[1], err)
	}
	if at, err := cores(); core != anyCore && (err != nil || !slices.Equal(at, []int{core})) {
		return errors.Join(err, again(core))
	}
	s, err := kinds[args[0]]()
	if err != nil {
		return err
	}
	return s.serve(ctx, out)
}

// again starts this program anew on one core, so that Go's runtime finds a machine of one. Only the thread that calls is
// left by exec, and all others are made by it. That the parent's death ends a process is kept for each thread, and this
// need not be the one that it was said to.
func again(core int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedSetaffinity(0, only(core)); err != nil {
		return fmt.Errorf("pin to core %d: %w", core, err)
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the parent: %w", err)
	}
	return fmt.Errorf("start again on core %d: %w", core, syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

func (s *server) serve(ctx context.Context, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", s.handler)
	mux.HandleFunc("GET /state", s.tell)
	door := &http.Server{Handler: mux, ReadHeaderTimeout: headerWithin}
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range s.run {
		g.Go(func() error { return run(ctx) })
	}
	g.Go(func() error {
		if err := door.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return door.Close()
	})
	fmt.Fprintln(out, readyPrefix+"http://"+listener.Addr().String())
	return g.Wait()
}

// state is what a child says about itself.
type state struct {
	Goroutines int                `json:"goroutines"`
	Threads    int                `json:"threads"`
	Heap       int64              `json:"heap"`    // bytes in use, if the garbage was to be collected
	Stacks     int64              `json:"stacks"`  // bytes of goroutines' stacks, likewise
	Dropped    map[string]float64 `json:"dropped"` // packets, by reason
}

// dropped is the name of the metric that state tells of.
const dropped = "rialto_media_dropped_packets_total"

// tell answers GET /state. With gc=1 the garbage is collected before, and what is free given back to the machine.
func (s *server) tell(w http.ResponseWriter, r *http.Request) {
	now := state{Threads: runtime.GOMAXPROCS(0), Dropped: map[string]float64{}}
	if r.URL.Query().Get("gc") == "1" {
		var m runtime.MemStats
		runtime.GC() // what pools hold goes with the second
		debug.FreeOSMemory()
		runtime.ReadMemStats(&m)
		now.Heap, now.Stacks = int64(m.HeapAlloc), int64(m.StackInuse)
	}
	now.Goroutines = runtime.NumGoroutine()
	if s.metrics != nil {
		families, err := s.metrics.Gather()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == dropped && len(m.GetLabel()) == 1 {
					now.Dropped[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
				}
			}
		}
	}
	_ = json.NewEncoder(w).Encode(now) // a parent that is gone takes the child with it
}

// plainEnv is what every program needs.
var plainEnv = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}

// child is a running child, seen from the parent.
type child struct {
	*embedded.Child
	url string
}

// startChild starts this program as a kind of server on a core, or on anyCore. env is what it finds in its environment
// beside what every program needs.
func startChild(ctx context.Context, kind string, core int, env ...string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("this program: %w", err)
	}
	var at atomic.Pointer[string]
	started, err := embedded.StartChild(ctx, embedded.ChildOptions{
		Name: "bench " + kind, Path: program, Args: []string{"bench", ChildCommand, kind, strconv.Itoa(core)},
		Env: append(slices.Clip(plainEnv), env...),
		Line: func(line string) {
			if url, ok := strings.CutPrefix(line, readyPrefix); ok {
				at.Store(&url)
			}
		},
		Ready: func(context.Context) error {
			if at.Load() == nil {
				return errors.New("it has not said where it listens")
			}
			return nil
		},
		ReadyWithin: startWithin,
	})
	if err != nil {
		return nil, err
	}
	return &child{started, *at.Load()}, nil
}

// ask gets or posts JSON.
func (c *child) ask(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the server: %s says %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
