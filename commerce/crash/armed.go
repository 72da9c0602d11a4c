//go:build crashpoints

package crash

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Built says whether this program has places to die at.
const Built = true

// arming is the place where this process dies.
type arming struct {
	name string
	left atomic.Int64 // passes before the last
}

var armed atomic.Pointer[arming]

// Arm chooses where this process dies: "checkout.begun:3" is at the third pass.
func Arm(at string) error {
	name, pass, _ := strings.Cut(at, ":")
	if _, known := Names[name]; !known {
		return fmt.Errorf("there is no place %q to die at", name)
	}
	n, err := strconv.ParseInt(pass, 10, 64)
	if err != nil || n < 1 {
		return errors.New("the pass to die at is a number from 1, like checkout.begun:3")
	}
	a := &arming{name: name}
	a.left.Store(n)
	armed.Store(a)
	return nil
}

// Here is a place of Names. The armed one kills this process and never returns from the pass that it was armed for.
func Here(name string) {
	a := armed.Load()
	if a == nil || a.name != name || a.left.Add(-1) != 0 {
		return
	}
	fmt.Fprintln(os.Stderr, "rialto: dies at", name)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until the kernel has done it
}
