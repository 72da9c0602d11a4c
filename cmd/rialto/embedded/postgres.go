package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	postgresUser     = "rialto"
	postgresDatabase = "rialto"
	postgresPort     = "5432" // only a part of the socket's name
	postgresSocket   = ".s.PGSQL." + postgresPort + ".lock"

	defaultMaxConnections = 200
	initWithin            = 2 * time.Minute
)

// PostgresOptions says where the data lives and how to treat it.
type PostgresOptions struct {
	Dir string // made when absent; holds the data, the lock and the socket
	Log *slog.Logger

	Database       string // made when absent; empty is "rialto"
	MaxConnections int    // 0 is 200
	Search         Search // zero is DefaultSearch

	// Fast trades durability for speed: a power cut may destroy the data. For
	// tests, whose data is thrown away.
	Fast bool

	// For tests of root's second way of not being root.
	withoutNamespace bool
	elsewhere        string // empty is otherHomeRoot
}

// Postgres is a private server. It listens on a Unix socket that only this
// user can open.
type Postgres struct {
	// static after StartPostgres
	child  *Child
	socket string
	dbname string
	temp   string // socket folder to remove, if it is not within the data folder
	lock   *os.File

	release    sync.Once
	releaseErr error // written in release
}

// StartPostgres finds a server program, makes the data folder when it is new,
// and returns when the server answers. See the package's text for how it lives
// and ends.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	pg, err := startPostgres(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("embedded Postgres: %w", err)
	}
	return pg, nil
}

func startPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	lock, err := lockFolder(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	pg := &Postgres{dbname: o.Database, lock: lock}
	if err := pg.start(ctx, o); err != nil {
		return nil, errors.Join(err, pg.Stop())
	}
	return pg, nil
}

func (o PostgresOptions) complete() (PostgresOptions, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, err
	}
	if o.Dir == "" {
		return o, errors.New("no data folder")
	}
	o.Dir = dir
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Database == "" {
		o.Database = postgresDatabase
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = defaultMaxConnections
	}
	if o.Search.isZero() {
		o.Search = DefaultSearch()
	}
	if o.elsewhere == "" {
		o.elsewhere = otherHomeRoot
	}
	// Others may pass through it, to reach what is theirs; they see nothing.
	return o, os.MkdirAll(dir, 0o711)
}

func (p *Postgres) start(ctx context.Context, o PostgresOptions) error {
	home, err := settle(ctx, o)
	if err != nil {
		return err
	}
	if err := home.initialize(ctx, o, p.lock); err != nil {
		return err
	}
	folder, temporary, err := socketFolder(home.parent, postgresSocket, home.as)
	if err != nil {
		return err
	}
	p.socket = folder
	if temporary {
		p.temp = folder
	}
	p.child, err = StartChild(ctx, ChildOptions{
		Name: "postgres", Path: home.program.path, Env: home.program.env, Dir: home.data, Log: o.Log,
		Args:  append([]string{"-D", home.data}, settings(o, folder)...),
		Line:  postgresLine(o.Log),
		Ready: p.answers,
		// Fast, then immediate shutdown. After the latter the postmaster
		// itself kills what has not ended within five seconds.
		Stop: []StopStep{{syscall.SIGINT, 20 * time.Second}, {syscall.SIGQUIT, 8 * time.Second}},
		// Not SIGKILL: only a living postmaster can end its own processes.
		DeathSignal: syscall.SIGQUIT,
		Files:       []*os.File{p.lock},
		as:          home.as,
	})
	if err != nil {
		return err
	}
	return p.createDatabase(ctx)
}

// settings come on the command line, so that the data folder holds no
// configuration that could grow old.
func settings(o PostgresOptions, socket string) []string {
	pairs := []string{
		"listen_addresses=", "port=" + postgresPort,
		"unix_socket_directories=" + socket, "unix_socket_permissions=0700",
		"shared_buffers=128MB", "wal_buffers=16MB",
		// A new file of the log is not written full of zeros first: all commits of a rush would wait for that twice a second.
		"wal_init_zero=off",
		"max_connections=" + strconv.Itoa(o.MaxConnections),
		"timezone=UTC", "log_timezone=UTC", "lc_messages=C",
		"logging_collector=off", "log_destination=stderr", "log_line_prefix=",
		// What a plan that avoids a table's end-to-end reading seems to cost is no reason to compile it.
		"jit=off",
		// A container's /dev/shm is small, and these tables are too.
		"max_parallel_workers_per_gather=0",
	}
	if o.Fast {
		pairs = append(pairs, "fsync=off", "synchronous_commit=off", "full_page_writes=off",
			"wal_level=minimal", "max_wal_senders=0", "autovacuum_naptime=1h")
	}
	var args []string
	for _, pair := range pairs {
		args = append(args, "-c", pair)
	}
	return args
}

// postgresLine gives the server's own words a level. A failed statement is the
// business of whoever sent it, and is told there.
func postgresLine(log *slog.Logger) func(string) {
	return func(line string) {
		level := slog.LevelDebug
		// "Starting up" is what our own question for readiness hears; it is no news.
		if (strings.HasPrefix(line, "FATAL:") || strings.HasPrefix(line, "PANIC:")) && !strings.Contains(line, "starting up") {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, line, "child", "postgres")
	}
}

// DSN is the address of the program's database.
func (p *Postgres) DSN() string { return p.DatabaseDSN(p.dbname) }

// DatabaseDSN is the address of another database of the same server.
func (p *Postgres) DatabaseDSN(name string) string {
	u := url.URL{Scheme: "postgres", User: url.User(postgresUser), Path: "/" + name}
	// Everything that a PG… variable of the environment could change is said.
	u.RawQuery = url.Values{"host": {p.socket}, "port": {postgresPort}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

func (p *Postgres) answers(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(p.socket, strings.TrimSuffix(postgresSocket, ".lock"))); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, p.DatabaseDSN("postgres"))
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}

func (p *Postgres) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.DatabaseDSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var there bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", p.dbname).Scan(&there); err != nil {
		return fmt.Errorf("look for database %s: %w", p.dbname, err)
	}
	if there {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{p.dbname}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", p.dbname, err)
	}
	return nil
}

// Done is closed when the server is gone.
func (p *Postgres) Done() <-chan struct{} { return p.child.Done() }

// Err says why the server is gone; nil while it runs and after a Stop.
func (p *Postgres) Err() error { return p.child.Err() }

// PID is the number of the server's first process.
func (p *Postgres) PID() int { return p.child.PID() }

// Stop ends the server in order: open transactions are rolled back, committed
// ones are safe. It may be called many times.
func (p *Postgres) Stop() error { return p.end((*Child).Stop) }

// Kill ends the server as a power cut would. For tests of recovery.
func (p *Postgres) Kill() error { return p.end((*Child).Kill) }

func (p *Postgres) end(how func(*Child) error) error {
	var err error
	if p.child != nil {
		err = how(p.child)
	}
	p.release.Do(func() {
		if p.temp != "" {
			p.releaseErr = os.RemoveAll(p.temp)
		}
		p.releaseErr = errors.Join(p.releaseErr, unlockFolder(p.lock))
	})
	return errors.Join(err, p.releaseErr)
}

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
