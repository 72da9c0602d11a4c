package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// An npm package cannot hold symbolic links, so the one with Postgres lists the
// links that its libraries need in a file. They are made in our own data
// folder: node_modules may be read-only, and is not ours to change.

const (
	linksFile    = "pg-symlinks.json"
	maxLinksFile = 1 << 20
	maxLinks     = 1000
)

// linkLibraries makes the package's library links in dir and returns the
// environment in which its programs find them.
func linkLibraries(native, dir string) ([]string, error) {
	links, err := readLinks(filepath.Join(native, linksFile))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("link the libraries of %s: %w", native, err)
	}
	for _, link := range links {
		// Both ends are written from the package's root.
		source, okSource := strings.CutPrefix(path.Clean(link.Source), "native/lib/")
		target, okTarget := strings.CutPrefix(path.Clean(link.Target), "native/lib/")
		if !okSource || !okTarget || strings.Contains(target, "/") {
			continue // not a library that a program is started with
		}
		if err := replaceLink(filepath.Join(native, "lib", filepath.FromSlash(source)), filepath.Join(dir, target)); err != nil {
			return nil, fmt.Errorf("link the libraries of %s: %w", native, err)
		}
	}
	return append(plainEnv(), "LD_LIBRARY_PATH="+dir+":"+filepath.Join(native, "lib")), nil
}

type libraryLink struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

func readLinks(name string) ([]libraryLink, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a package that needs none
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxLinksFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxLinksFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxLinksFile)
	}
	var links []libraryLink
	if err := json.Unmarshal(text, &links); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(links) > maxLinks {
		return nil, fmt.Errorf("%s: %d links, at most %d", name, len(links), maxLinks)
	}
	return links, nil
}

func replaceLink(source, target string) error {
	if old, err := os.Readlink(target); err == nil && old == source {
		return nil
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(source, target)
}
