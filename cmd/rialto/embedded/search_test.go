package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, mode os.FileMode, text string, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

func fakeServer(t *testing.T, version string, dir ...string) string {
	t.Helper()
	folder := filepath.Join(dir...)
	write(t, 0o755, "#!/bin/sh\n", folder, "initdb")
	return write(t, 0o755, "#!/bin/sh\necho 'postgres (PostgreSQL) "+version+"'\n", folder, "postgres")
}

func TestSearchPostgres(t *testing.T) {
	dir := t.TempDir()
	old := fakeServer(t, "9.6", dir, "9", "bin")
	fifteen := fakeServer(t, "15.8 (Debian)", dir, "15", "bin")
	seventeen := fakeServer(t, "17.2", dir, "17", "bin")
	broken := write(t, 0o755, "#!/bin/sh\nexit 1\n", dir, "broken", "postgres")
	write(t, 0o755, "", dir, "broken", "initdb")
	lonely := write(t, 0o755, "#!/bin/sh\necho postgres 16.1\n", dir, "lonely", "postgres")
	link := filepath.Join(dir, "postgres")
	if err := os.Symlink(fifteen, link); err != nil {
		t.Fatal(err)
	}
	look := func(path string) func(string) (string, error) {
		return func(string) (string, error) { return path, nil }
	}
	folders := []string{filepath.Join(dir, "*", "bin")}
	for name, c := range map[string]struct {
		search Search
		major  int
		want   string
	}{
		"newest first":            {Search{Folders: folders}, 0, seventeen},
		"PATH before folders":     {Search{Look: look(old), Folders: folders}, 0, old},
		"link is followed":        {Search{Look: look(link)}, 0, fifteen},
		"version of the data":     {Search{Look: look(old), Folders: folders}, 15, fifteen},
		"no initdb beside":        {Search{Look: look(lonely), Folders: folders}, 0, seventeen},
		"does not run":            {Search{Look: look(broken), Folders: folders}, 0, seventeen},
		"version not there":       {Search{Folders: folders}, 14, ""},
		"nothing at all":          {nothing, 0, ""},
		"node_modules without it": {Search{Modules: []string{dir}}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.search.postgres(t.Context(), c.major, t.TempDir())
			if c.want == "" {
				if !errors.Is(err, ErrNotFound) {
					t.Fatalf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || got.path != c.want {
				t.Fatalf("got %s, %v, want %s", got.path, err, c.want)
			}
		})
	}
}

// npmPackage lays out the npm package around this machine's own server. Its
// programs start only where their library can be found under the name that a
// link must give it.
func npmPackage(t *testing.T) (modules string) {
	t.Helper()
	real, err := DefaultSearch().postgres(t.Context(), 0, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	modules = filepath.Join(t.TempDir(), "node_modules")
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	native := filepath.Join(modules, "@embedded-postgres", runtime.GOOS+"-"+arch, "native")
	for _, name := range []string{"postgres", "initdb"} {
		text := fmt.Sprintf("#!/bin/sh\ntest -f \"${LD_LIBRARY_PATH%%%%:*}/libthing.so.5\" || exit 127\nexec %s \"$@\"\n",
			filepath.Join(filepath.Dir(real.path), name))
		write(t, 0o755, text, native, "bin", name)
	}
	write(t, 0o644, "", native, "lib", "libthing.so.5.17")
	write(t, 0o644, `[{"source":"native/lib/libthing.so.5.17","target":"native/lib/libthing.so.5"}]`, native, linksFile)
	return modules
}

// TestPostgresFromNpm runs the server of an npm package that nothing may be
// written to, and of the pages' own node_modules when that has one.
func TestPostgresFromNpm(t *testing.T) {
	packages := []string{npmPackage(t)}
	if installed := filepath.Join("..", "..", "..", "web", "node_modules"); hasNative(installed) {
		packages = append(packages, installed)
	}
	for _, modules := range packages {
		before := listing(t, modules)
		pg := startPG(t, PostgresOptions{Dir: filepath.Join(t.TempDir(), "pg"), Fast: true, Search: Search{Modules: []string{modules}}})
		if err := connect(t, pg.DSN()).Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if after := listing(t, modules); !slices.Equal(before, after) {
			t.Errorf("%s was written to", modules)
		}
	}
}

func hasNative(modules string) bool { _, err := nativeFolder(modules); return err == nil }

func listing(t *testing.T, modules string) []string {
	t.Helper()
	native, err := nativeFolder(modules)
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(native, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestLinkLibraries(t *testing.T) {
	many := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"source":"native/lib/a","target":"native/lib/b"},`, n), ",") + "]"
	}
	const good = `[{"source":"native/lib/a.so.1","target":"native/lib/a.so"}]`
	for name, c := range map[string]struct {
		text  string
		want  []string
		fails bool
	}{
		"good":             {good, []string{"a.so"}, false},
		"at the limit":     {many(maxLinks), []string{"b"}, false},
		"too many":         {many(maxLinks + 1), nil, true},
		"size at limit":    {good + strings.Repeat(" ", maxLinksFile-len(good)), []string{"a.so"}, false},
		"too large":        {good + strings.Repeat(" ", maxLinksFile-len(good)+1), nil, true},
		"no JSON":          {"links", nil, true},
		"out of the house": {`[{"source":"native/lib/a","target":"native/lib/../../../etc/x"}]`, nil, false},
		"from outside":     {`[{"source":"/etc/passwd","target":"native/lib/x"}]`, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			native, dir := t.TempDir(), filepath.Join(t.TempDir(), "lib")
			write(t, 0o644, c.text, native, linksFile)
			for range 2 { // the second time finds its own links
				if _, err := linkLibraries(native, dir); (err != nil) != c.fails {
					t.Fatalf("got %v", err)
				}
			}
			entries, _ := os.ReadDir(dir) // absent after a failure
			var got []string
			for _, e := range entries {
				got = append(got, e.Name())
			}
			if !slices.Equal(got, c.want) {
				t.Fatalf("made %q, want %q", got, c.want)
			}
		})
	}
}
