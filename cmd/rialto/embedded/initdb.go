package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	dataName      = "data"
	makingName    = "data.new"
	linksName     = "lib"
	versionFile   = "PG_VERSION"
	otherHomeRoot = "/var/lib/rialto"
)

// home is a server program, the data it serves and who it runs as.
type home struct {
	program program
	as      identity
	data    string
	parent  string // of data; holds the library links too
}

// settle chooses all three.
func settle(ctx context.Context, o PostgresOptions) (home, error) {
	h := home{parent: o.Dir}
	as, err := unprivileged(ctx, !o.withoutNamespace)
	if err != nil {
		return home{}, err
	}
	h.as = as
	if !as.reaches(o.Dir) {
		h.parent = filepath.Join(o.elsewhere, fingerprint(o.Dir))
		o.Log.Warn("Postgres runs as another user, who cannot reach the data folder; the data is kept elsewhere",
			"folder", o.Dir, "kept", h.parent, "uid", as.other.Uid)
	}
	if err := os.MkdirAll(h.parent, 0o711); err != nil {
		return home{}, err
	}
	h.data = filepath.Join(h.parent, dataName)
	major, err := dataVersion(h.data)
	if err != nil {
		return home{}, err
	}
	if h.program, err = o.Search.postgres(ctx, major, filepath.Join(h.parent, linksName)); err != nil {
		return home{}, err
	}
	if !as.reaches(filepath.Dir(h.program.path)) {
		return home{}, fmt.Errorf("user %d, whom Postgres runs as because it refuses root, cannot reach %s; move the checkout out of a closed folder, or do not run as root",
			as.other.Uid, h.program.path)
	}
	o.Log.Debug("found Postgres", "path", h.program.path, "version", h.program.major, "data", h.data)
	return h, nil
}

// dataVersion is the major version that made the data, 0 when there is none.
func dataVersion(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, versionFile))
	if isAbsent(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", filepath.Join(data, versionFile), err)
	}
	return n, nil
}

// initialize makes the data folder once. It is made under another name and
// renamed when complete, so that a start that was interrupted leaves nothing
// that looks like data.
func (h home) initialize(ctx context.Context, o PostgresOptions, lock *os.File) error {
	major, err := dataVersion(h.data)
	if err != nil || major != 0 {
		return err
	}
	making := filepath.Join(h.parent, makingName)
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := os.Mkdir(making, 0o700); err != nil {
		return err
	}
	if err := h.as.give(making); err != nil {
		return err
	}
	args := []string{"-D", making, "--username=" + postgresUser, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"}
	if o.Fast {
		args = append(args, "--no-sync")
	}
	ctx, cancel := context.WithTimeout(ctx, initWithin)
	defer cancel()
	err = runChild(ctx, ChildOptions{
		Name: "initdb", Path: filepath.Join(filepath.Dir(h.program.path), "initdb"), Args: args, Env: h.program.env, Dir: h.parent,
		Log: o.Log, Line: func(line string) { o.Log.Log(ctx, slog.LevelDebug, line, "child", "initdb") },
		// What initdb starts may outlive it for a moment, and writes here.
		Files: []*os.File{lock},
		as:    h.as,
	})
	if err != nil {
		return err
	}
	return os.Rename(making, h.data)
}
