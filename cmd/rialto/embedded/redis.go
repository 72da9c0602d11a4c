package embedded

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const redisSocket = "redis.sock"

// RedisOptions says where the data lives.
type RedisOptions struct {
	Dir string // made when absent; holds the data, the lock and the socket
	Log *slog.Logger

	Search Search // zero is DefaultSearch

	// Required refuses the small store in the process when no redis-server is
	// found. Tests ask for it: they are about the real one.
	Required bool
}

// Redis is a private server: a redis-server that appends every write to a file
// in the data folder, or a small store in the process's memory.
type Redis struct {
	// static after StartRedis; either child and lock are set, or demo
	child  *Child
	lock   *os.File
	socket string
	temp   string
	demo   *miniredis.Miniredis
	secret string

	release    sync.Once
	releaseErr error         // written in release
	ended      chan struct{} // closed in release when it is a demo
}

// StartRedis finds a redis-server and returns when it answers; without one it
// says loudly that the store is a demo. See the package's text for how it
// lives and ends.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	r, err := startRedis(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("embedded Redis: %w", err)
	}
	return r, nil
}

func startRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Search.isZero() {
		o.Search = DefaultSearch()
	}
	path, err := o.Search.redis(ctx)
	if errors.Is(err, ErrNotFound) && !o.Required {
		return startDemoRedis(o.Log)
	}
	if err != nil {
		return nil, err
	}
	if o.Dir == "" {
		return nil, errors.New("no data folder")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	if err := os.MkdirAll(filepath.Join(dir, dataName), 0o700); err != nil {
		return nil, err
	}
	lock, err := lockFolder(ctx, dir)
	if err != nil {
		return nil, err
	}
	r := &Redis{lock: lock}
	if err := r.start(ctx, path, o); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

func (r *Redis) start(ctx context.Context, path string, o RedisOptions) error {
	folder, temporary, err := socketFolder(o.Dir, redisSocket, identity{})
	if err != nil {
		return err
	}
	if temporary {
		r.temp = folder
	}
	r.socket = filepath.Join(folder, redisSocket)
	// A socket left by a killed server would answer "refused" until the new
	// one has bound its own.
	if err := os.Remove(r.socket); err != nil && !isAbsent(err) {
		return err
	}
	data := filepath.Join(o.Dir, dataName)
	r.child, err = StartChild(ctx, ChildOptions{
		Name: "redis", Path: path, Dir: data, Log: o.Log,
		Args: []string{
			"--port", "0", "--unixsocket", r.socket, "--unixsocketperm", "700",
			"--dir", data, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
			"--maxmemory-policy", "noeviction", "--daemonize", "no", "--logfile", "",
		},
		Line:  redisLine(o.Log),
		Ready: r.answers,
		// No DeathSignal but SIGKILL: one busy in a script ignores a polite
		// one, and what it answered is in the kernel's hands already.
		Stop:  []StopStep{{syscall.SIGTERM, 15 * time.Second}},
		Files: []*os.File{r.lock},
	})
	return err
}

// redisLine lowers the server's chatter: its lines carry their level as one
// character ("# warning", "* notice").
func redisLine(log *slog.Logger) func(string) {
	return func(line string) {
		level := slog.LevelDebug
		if strings.Contains(line, " # ") && !strings.Contains(line, "WARNING") && strings.Contains(line, "rror") {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, line, "child", "redis")
	}
}

// answers asks PING in the protocol itself; a client library would log and
// retry while the server still loads its file.
func (r *Redis) answers(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", r.socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if answer != "+PONG\r\n" {
		return fmt.Errorf("answered %q", strings.TrimSpace(answer))
	}
	return nil
}

// startDemoRedis serves from memory. Its clock runs the expiries, so that what
// is held for a time is given back in time.
func startDemoRedis(log *slog.Logger) (*Redis, error) {
	r := &Redis{demo: miniredis.NewMiniRedis(), secret: rand.Text(), ended: make(chan struct{})}
	r.demo.ClockTTL(true)
	// On TCP anybody of this machine can connect.
	r.demo.RequireAuth(r.secret)
	if err := r.demo.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("demo store: %w", err)
	}
	log.Warn("demo store, not durable: no redis-server was found, so queues and counters live in memory until the program ends (Debian: `apt-get install redis-server`)")
	return r, nil
}

// URL is the server's address in go-redis's form.
func (r *Redis) URL() string {
	if r.demo != nil {
		u := url.URL{Scheme: "redis", User: url.UserPassword("", r.secret), Host: r.demo.Addr(), Path: "/0"}
		return u.String()
	}
	u := url.URL{Scheme: "unix", Path: r.socket}
	return u.String()
}

// Durable says whether the data survives the program.
func (r *Redis) Durable() bool { return r.demo == nil }

// Done is closed when the server is gone.
func (r *Redis) Done() <-chan struct{} {
	if r.demo != nil {
		return r.ended
	}
	return r.child.Done()
}

// Err says why the server is gone; nil while it runs and after a Stop.
func (r *Redis) Err() error {
	if r.demo != nil {
		return nil
	}
	return r.child.Err()
}

// PID is the number of the server's process, 0 for a demo store.
func (r *Redis) PID() int {
	if r.demo != nil {
		return 0
	}
	return r.child.PID()
}

// Stop ends the server in order. It may be called many times.
func (r *Redis) Stop() error { return r.end((*Child).Stop) }

// Kill ends the server as a power cut would. For tests of recovery.
func (r *Redis) Kill() error { return r.end((*Child).Kill) }

func (r *Redis) end(how func(*Child) error) error {
	var err error
	if r.child != nil {
		err = how(r.child)
	}
	r.release.Do(func() {
		if r.demo != nil {
			r.demo.Close()
			close(r.ended)
			return
		}
		if r.temp != "" {
			r.releaseErr = os.RemoveAll(r.temp)
		}
		r.releaseErr = errors.Join(r.releaseErr, unlockFolder(r.lock))
	})
	return errors.Join(err, r.releaseErr)
}
