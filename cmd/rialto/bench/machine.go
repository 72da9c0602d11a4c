package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cores are those this process may run on.
func cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("which cores there are: %w", err)
	}
	var list []int
	for core := range len(set) * 64 {
		if set.IsSet(core) {
			list = append(list, core)
		}
	}
	return list, nil
}

func only(cores ...int) *unix.CPUSet {
	var set unix.CPUSet
	for _, core := range cores {
		set.Set(core)
	}
	return &set
}

// pinAll moves every thread of this process to some cores. Threads to come are made by those, and inherit it.
func pinAll(cores ...int) error {
	pinned := map[int]bool{}
	for more := true; more; { // a thread may be made while others are moved
		more = false
		entries, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("threads of this process: %w", err)
		}
		for _, e := range entries {
			tid, err := strconv.Atoi(e.Name())
			if err != nil || pinned[tid] {
				continue
			}
			if err := unix.SchedSetaffinity(tid, only(cores...)); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("pin to core %v: %w", cores, err)
			}
			pinned[tid], more = true, true
		}
	}
	return nil
}

// cpuTime is the processor time of a process so far, of all its threads, user and system. It is the sum that
// /proc/<pid>/stat rounds to hundredths of a second.
func cpuTime(pid int) (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED; the number of a process's clock is made of ^pid (clock_getcpuclockid)
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &ts); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// resident is the memory of a process in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	for line := range bytes.Lines(text) {
		var kb int64
		if n, _ := fmt.Sscanf(string(line), "Rss: %d kB", &kb); n == 1 {
			return kb << 10, nil
		}
	}
	return 0, fmt.Errorf("memory of process %d: smaps_rollup has no Rss", pid)
}

// descriptors is how many files and sockets a process has open.
func descriptors(pid int) (int64, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, fmt.Errorf("open files: %w", err)
	}
	return int64(len(entries)), nil
}

// fullSockets is how many datagrams this machine has dropped because the socket they were for was full.
func fullSockets() (int64, error) {
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		return 0, fmt.Errorf("datagrams that were dropped: %w", err)
	}
	return rcvbufErrors(string(text))
}

// rcvbufErrors reads the two lines about UDP, of names and of values.
func rcvbufErrors(text string) (int64, error) {
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		if at := slices.Index(names, "RcvbufErrors"); at > 0 && at < len(f) {
			return strconv.ParseInt(f[at], 10, 64)
		}
	}
	return 0, errors.New("datagrams that were dropped: /proc/net/snmp does not say")
}

// written is how many bytes a process has handed to files and sockets so far, and in how many system calls.
func written(pid int) (bytes, calls int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("what process %d has written: %w", pid, err)
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		for name, into := range map[string]*int64{"wchar: %d": &bytes, "syscw: %d": &calls} {
			if n, _ := fmt.Sscanf(line, name, into); n == 1 {
				found++
			}
		}
	}
	if found != 2 {
		return 0, 0, fmt.Errorf("what process %d has written: /proc/%d/io does not say", pid, pid)
	}
	return bytes, calls, nil
}
