package chaos

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newKept is a small program that is kept alive until the test ends: it says its number and where it is to die.
func newKept(t *testing.T, script string) *process {
	t.Helper()
	p, err := newProcess(t.TempDir(), "small", "/bin/sh", []string{"-c", script}, []string{"OWN=1"}, "ready on ")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p
}

// other waits until it is up with another address than before.
func other(t *testing.T, p *process, than string) (address string) {
	t.Helper()
	err := p.wait(t.Context(), "another", func() bool {
		address = p.address
		return p.child != nil && address != than
	})
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func TestAProcessIsKeptAlive(t *testing.T) {
	p := newKept(t, `echo "ready on $$ $CRASH_AT"; exec sleep 1000`)
	first := other(t, p, "")
	if !strings.HasSuffix(first, " ") {
		t.Fatalf("it is to die: %q", first)
	}
	if err := p.kill("checkout.begun:3"); err != nil {
		t.Fatal(err)
	}
	doomed := other(t, p, first)
	if !strings.HasSuffix(doomed, " checkout.begun:3") {
		t.Fatalf("it is not to die where it was said: %q", doomed)
	}
	reached, err := p.disarm()
	if err != nil || reached != 0 {
		t.Fatalf("%d places were reached, %v", reached, err)
	}
	if last := other(t, p, doomed); !strings.HasSuffix(last, " ") {
		t.Fatalf("it is still to die: %q", last)
	}
	for range 2 { // twice is once
		if err := p.hold(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p.mu.Lock()
	alive, child := p.alive, p.child
	p.mu.Unlock()
	if alive || child != nil {
		t.Error("it is held, and alive")
	}
	p.release()
	if _, err := p.await(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// One that dies at its place is started again without one, and the death is counted.
func TestAProcessDiesOnceAtItsPlace(t *testing.T) {
	p := newKept(t, `echo "ready on $$"; if [ -n "$CRASH_AT" ]; then echo "rialto: dies at $CRASH_AT"; kill -9 $$; fi; exec sleep 1000`)
	first := other(t, p, "")
	if err := p.kill("stock.admitted:1"); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(t.Context(), "dead at its place", func() bool { return p.reached == 1 }); err != nil {
		t.Fatal(err)
	}
	other(t, p, first)
	if reached, err := p.disarm(); reached != 1 || err != nil {
		t.Errorf("%d places were reached, %v", reached, err)
	}
	if reached, err := p.disarm(); reached != 0 || err != nil {
		t.Errorf("%d more places were reached, %v", reached, err)
	}
}

// One that cannot start is tried again until it can.
func TestAProcessThatCannotStartYet(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "store")
	p := newKept(t, `[ -e `+missing+` ] || exit 1; echo "ready on $$"; exec sleep 1000`)
	if err := os.WriteFile(missing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other(t, p, "")
}

func TestCopiesOfFolders(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	if err := os.MkdirAll(filepath.Join(from, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, "a", "b", "c"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyTree(from, to); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(to, "a", "b", "c"))
	if err != nil || string(text) != "kept" {
		t.Errorf("%q %v", text, err)
	}
	for path, mode := range map[string]os.FileMode{"a/b": 0o700, "a/b/c": 0o600} {
		if info, err := os.Stat(filepath.Join(to, path)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}
}
