package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrInUse says that another program, or what is left of one, holds the data
// folder.
var ErrInUse = errors.New("the data folder is in use")

const (
	lockName = "lock"
	// leftoverWait is how long the stores of a killed program may take to end:
	// Postgres gives its own processes five seconds before it kills them.
	leftoverWait  = 15 * time.Second
	leftoverEvery = 20 * time.Millisecond
	// ownerWait is how long a program that was just killed may still look alive.
	ownerWait = 500 * time.Millisecond
)

// lockFolder takes the folder for this program. The file is to be inherited by
// the folder's processes: the lock then lasts as long as any of them.
func lockFolder(ctx context.Context, dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := waitForLock(ctx, file, dir); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if err := writeOwner(file, strconv.Itoa(os.Getpid())+"\n"); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), file.Close())
	}
	return file, nil
}

func waitForLock(ctx context.Context, file *os.File, dir string) error {
	began := time.Now()
	deadline := time.NewTimer(leftoverWait)
	defer deadline.Stop()
	tick := time.NewTicker(leftoverEvery)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("lock %s: %w", dir, err)
		}
		if pid := owner(file); pid > 0 && time.Since(began) >= ownerWait && alive(pid) {
			return fmt.Errorf("%w: %s belongs to the running process %d; stop it or choose another folder", ErrInUse, dir, pid)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("lock %s: %w", dir, ctx.Err())
		case <-deadline.C:
			return fmt.Errorf("%w: processes of an earlier run still hold %s after %s; `fuser %s` lists them",
				ErrInUse, dir, leftoverWait, file.Name())
		}
	}
}

// unlockFolder gives the folder back. The owner's number goes first, so that a
// next start in this same process waits for leftovers instead of refusing.
func unlockFolder(file *os.File) error {
	return errors.Join(writeOwner(file, ""), file.Close())
}

func writeOwner(file *os.File, text string) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// owner is the number of the program that took the folder, 0 when it said none.
func owner(file *os.File) int {
	text := make([]byte, 32)
	n, _ := file.ReadAt(text, 0) // a short file is the usual case
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return 0
	}
	return pid
}

// alive says whether the process runs. One that was killed and whose parent has
// not asked yet how it ended (a zombie) does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The name before the state is in parentheses and may hold anything.
	_, state, found := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	return found && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
