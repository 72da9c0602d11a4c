package embedded

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestLockRefusesALivingOwner(t *testing.T) {
	dir := t.TempDir()
	first, err := lockFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockFolder(t.Context(), dir); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Fatalf("second: %v", err)
	}
	if err := unlockFolder(first); err != nil {
		t.Fatal(err)
	}
	again, err := lockFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unlockFolder(again); err != nil {
		t.Fatal(err)
	}
}

// TestLockWaitsForLeftovers has a process that inherited the lock outlive the
// program that took it.
func TestLockWaitsForLeftovers(t *testing.T) {
	dir := t.TempDir()
	lock, err := lockFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	leftover, err := StartChild(t.Context(), ChildOptions{Name: "leftover", Path: "/bin/sleep", Args: []string{"1000"}, Files: []*os.File{lock}})
	if err != nil {
		t.Fatal(err)
	}
	defer leftover.Kill()
	dead := exec.Command("/bin/true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writeOwner(lock, strconv.Itoa(dead.Process.Pid)), lock.Close()); err != nil {
		t.Fatal(err)
	}

	impatient, cancel := context.WithTimeout(t.Context(), 5*leftoverEvery)
	defer cancel()
	if _, err := lockFolder(impatient, dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("while it lives: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		lock, err := lockFolder(t.Context(), dir)
		if err == nil {
			err = unlockFolder(lock)
		}
		got <- err
	}()
	if err := leftover.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatalf("when it is gone: %v", err)
	}
}
