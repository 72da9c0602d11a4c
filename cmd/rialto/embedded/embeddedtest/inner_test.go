package embeddedtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
)

// witness is a test that notes how it ended.
type witness struct {
	testing.TB
	fatal string
}

var errFatal = errors.New("fatal")

func (w *witness) Helper() {}

func (w *witness) Fatalf(format string, args ...any) {
	w.fatal = fmt.Sprintf(format, args...)
	panic(errFatal) // a test ends at Fatalf; so does this one
}

// TestMissingServersFailTheTest would see a helper that skips.
func TestMissingServersFailTheTest(t *testing.T) {
	search = embedded.Search{Folders: []string{}}
	defer func() { search = embedded.Search{} }()
	for name, use := range map[string]func(testing.TB){
		"postgres": func(tb testing.TB) { NewPostgresServer(tb) },
		"redis":    func(tb testing.TB) { NewRedisServer(tb) },
	} {
		w := &witness{TB: t}
		func() {
			defer func() {
				if r := recover(); r != nil && r != errFatal {
					panic(r)
				}
			}()
			use(w)
		}()
		if !strings.Contains(w.fatal, "not found") {
			t.Errorf("%s: the test ended with %q", name, w.fatal)
		}
	}
}

// TestSweep leaves the living and the young alone.
func TestSweep(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	old := time.Now().Add(-2 * sweepAfter)
	folder := func(name string, age time.Time) string {
		dir := filepath.Join(temp, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, age, age); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	living := filepath.Join(temp, folderPrefix+"living")
	pg, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{Dir: filepath.Join(living, "pg"), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	folder(folderPrefix+"living", old)
	empty, young, other := folder(folderPrefix+"empty", old), folder(folderPrefix+"young", time.Now()), folder("other", old)

	sweep()
	for dir, stays := range map[string]bool{living: true, young: true, other: true, empty: false} {
		if _, err := os.Stat(dir); (err == nil) != stays {
			t.Errorf("%s: stays %v, %v", dir, stays, err)
		}
	}
	if err := pg.Stop(); err != nil {
		t.Fatal(err)
	}
	folder(folderPrefix+"living", old)
	sweep()
	if _, err := os.Stat(living); !os.IsNotExist(err) {
		t.Errorf("a dead server's folder stays: %v", err)
	}
}
