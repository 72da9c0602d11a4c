package embedded

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// identity is who a child runs as. Postgres refuses to be root, and in a
// container the program often is.
type identity struct {
	namespace bool                // as uid 1000 of a namespace of its own, outside still us
	other     *syscall.Credential // as another user of the machine
}

const (
	innerID = 1000 // any number but 0
	// probe does nothing well on every machine.
	probe = "/bin/true"
)

func (id identity) apply(attr *syscall.SysProcAttr) {
	switch {
	case id.namespace:
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: innerID, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: innerID, HostID: os.Getgid(), Size: 1}}
	case id.other != nil:
		attr.Credential = id.other
	}
}

// unprivileged finds an identity that is not root. A user
// namespace is best, because every file stays the caller's own; some container
// hosts refuse it, and then an unprivileged user of the machine does.
func unprivileged(ctx context.Context, allowNamespace bool) (identity, error) {
	if os.Getuid() != 0 {
		return identity{}, nil
	}
	inner := identity{namespace: true}
	var refused error
	if allowNamespace {
		refused = runChild(ctx, ChildOptions{Name: "user namespace", Path: probe, Line: func(string) {}, as: inner})
		if refused == nil {
			return inner, nil
		}
		if err := ctx.Err(); err != nil {
			return identity{}, err // nobody refused anything
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return identity{other: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return identity{}, fmt.Errorf("postgres refuses to run as root, user namespaces are refused here (%w), and there is no other user to run it as", refused)
}

// reaches says whether the identity can enter the folder: every folder above
// must let it through.
func (id identity) reaches(dir string) bool {
	if id.other == nil {
		return true
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return false
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		owned := ok && stat.Uid == id.other.Uid && info.Mode()&0o100 != 0
		if !owned && info.Mode()&0o001 == 0 {
			return false
		}
		if at == filepath.Dir(at) {
			return true
		}
	}
}

// give makes the folder the identity's own.
func (id identity) give(dir string) error {
	if id.other == nil {
		return nil
	}
	return os.Chown(dir, int(id.other.Uid), int(id.other.Gid))
}
