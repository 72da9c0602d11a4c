package embeddedtest

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	folderPrefix = "rialto-test-"
	// A younger folder may be one that is just being made and has no lock yet.
	sweepAfter = 5 * time.Minute
)

// sweep removes the folders of test binaries that ended without Main, as a
// panic or a timeout makes them. A folder whose lock is taken is alive.
func sweep() {
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*")) // only a broken pattern is an error
	for _, folder := range folders {
		if info, err := os.Stat(folder); err != nil || time.Since(info.ModTime()) < sweepAfter {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(folder, "pg", "lock"), os.O_RDWR, 0)
		if err != nil {
			os.RemoveAll(folder) // ended before it had one
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(folder) // what is left is tried again by the next run
		}
		lock.Close()
	}
}
