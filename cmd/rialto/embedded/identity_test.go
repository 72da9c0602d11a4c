package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// openFolder is one that every user can enter, as t.TempDir's is not.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rialto-identity-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestUnprivileged(t *testing.T) {
	as, err := unprivileged(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if root := os.Getuid() == 0; root != (as.namespace || as.other != nil) {
		t.Fatalf("uid %d runs Postgres as %+v", os.Getuid(), as)
	}
	as, err = unprivileged(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if root := os.Getuid() == 0; root != (as.other != nil) || (root && as.other.Uid == 0) {
		t.Fatalf("uid %d without a namespace runs Postgres as %+v", os.Getuid(), as)
	}
}

// TestPostgresWithoutUserNamespace takes root's second way: another user of the
// machine. Anybody else's way is the same as ever.
func TestPostgresWithoutUserNamespace(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "pg")
	elsewhere := openFolder(t)
	for name, dir := range map[string]string{"open folder": filepath.Join(openFolder(t), "pg"), "closed folder": closed} {
		t.Run(name, func(t *testing.T) {
			o := PostgresOptions{Dir: dir, Fast: true, withoutNamespace: true, elsewhere: elsewhere}
			for range 2 {
				pg := startPG(t, o)
				exec1(t, connect(t, pg.DSN()), "CREATE TABLE IF NOT EXISTS kept (n int)")
				checkOwner(t, pg.PID())
				stopped(t, pg.Stop())
			}
		})
	}
	moved, err := filepath.Glob(filepath.Join(elsewhere, "*", dataName, versionFile))
	if err != nil {
		t.Fatal(err)
	}
	if root := os.Getuid() == 0; root != (len(moved) == 1) {
		t.Errorf("uid %d: kept elsewhere: %q", os.Getuid(), moved)
	}
}

func checkOwner(t *testing.T, pid int) {
	t.Helper()
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		t.Fatal(err)
	}
	uid := int(info.Sys().(*syscall.Stat_t).Uid)
	if uid == 0 || (os.Getuid() != 0 && uid != os.Getuid()) {
		t.Errorf("uid %d runs Postgres as uid %d", os.Getuid(), uid)
	}
}

func TestReaches(t *testing.T) {
	top := openFolder(t)
	for name, mode := range map[string]os.FileMode{"open": 0o755, "pass": 0o711, "closed": 0o700, "group": 0o750} {
		if err := os.MkdirAll(filepath.Join(top, name, "in"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(top, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	stranger := identity{other: &syscall.Credential{Uid: 4242, Gid: 4242}}
	owner := identity{other: &syscall.Credential{Uid: uint32(os.Getuid()), Gid: 4242}}
	for _, c := range []struct {
		as   identity
		dir  string
		want bool
	}{
		{stranger, "open/in", true},
		{stranger, "pass/in", true},
		{stranger, "closed/in", false},
		{stranger, "group/in", false},
		{stranger, "absent", false},
		{owner, "closed/in", true},
		{identity{}, "closed/in", true},
		{identity{namespace: true}, "closed/in", true},
	} {
		if got := c.as.reaches(filepath.Join(top, c.dir)); got != c.want {
			t.Errorf("%+v reaches %s: %v", c.as.other, c.dir, got)
		}
	}
}
