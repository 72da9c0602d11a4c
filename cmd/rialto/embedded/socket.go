package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxSocketPath is what fits in the kernel's sockaddr_un, its final zero aside.
const maxSocketPath = 107

// socketFolder returns a private folder in which a socket called name can be
// bound: within dir, or a short one when dir's path is too long. The short one
// is named after dir, so that a start after a crash finds and cleans its own.
func socketFolder(dir, name string, id identity) (folder string, temporary bool, err error) {
	folder = filepath.Join(dir, "run")
	if len(filepath.Join(folder, name)) > maxSocketPath {
		temporary = true
		folder = filepath.Join(shortTemp(name), "rialto-"+fingerprint(dir))
		if err := os.RemoveAll(folder); err != nil {
			return "", false, fmt.Errorf("socket folder: %w", err)
		}
	}
	if err := privateFolder(folder); err != nil {
		return "", false, fmt.Errorf("socket folder: %w", err)
	}
	if err := id.give(folder); err != nil {
		return "", false, fmt.Errorf("socket folder: %w", err)
	}
	return folder, temporary, nil
}

// shortTemp is the folder for temporary files, unless that is too deep itself.
func shortTemp(name string) string {
	if temp := os.TempDir(); len(filepath.Join(temp, "rialto-0123456789abcdef", name)) <= maxSocketPath {
		return temp
	}
	return "/tmp"
}

func fingerprint(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:8])
}

// privateFolder makes the folder for this user alone. One that somebody else
// made, as anybody can in a shared temporary folder, is refused.
func privateFolder(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || (int(stat.Uid) != os.Getuid() && os.Getuid() != 0) {
		return fmt.Errorf("%s is not a folder of this user", dir)
	}
	return os.Chmod(dir, 0o700)
}
