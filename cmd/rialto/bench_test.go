package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rialto-live/rialto/cmd/rialto/bench"
)

// With one core to run on there is nothing to compare, and the command says so.
func TestBenchNeedsTwoCores(t *testing.T) {
	core := allowed(t, os.Getpid())[0]
	p := finish(t, exitFailed, nil, "taskset", "-c", strconv.Itoa(core), program(t), "bench", "media")
	if !strings.Contains(p.err.String(), "needs two cores") {
		t.Errorf("it says %q", p.err.String())
	}
}

// The bench runs to its end with real children. How fast is not asked here.
func TestBenchMedia(t *testing.T) {
	p := finish(t, 0, nil, program(t), "bench", "media", "--viewers", "8", "--seconds", "1", "--rounds", "1", "--json")
	var r bench.Result
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatalf("it is no JSON object: %v", err)
	}
	if bytes.Count([]byte(strings.TrimSpace(p.out.String())), []byte("\n")) != 0 {
		t.Error("more than one line is printed")
	}
	for name, v := range map[string]float64{
		"cpu_us_per_packet": r.CPUPerPacket, "floor_us_per_packet": r.FloorPerPacket, "static_rtp_us_per_packet": r.StaticPerPacket,
		"beside": r.BesidePerPacket, "core_busy": r.CoreBusy, "seconds": r.Seconds,
		"first frame": r.FirstFrame.P50, "forward": r.Forward.P50, "video": float64(r.VideoPackets), "audio": float64(r.AudioPackets),
		"checked": float64(r.PacketsChecked),
	} {
		if v <= 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
	if r.Viewers != 8 || r.Playing != 8 || r.BaselineViewers != 8 || r.PacketsWrong != 0 {
		t.Errorf("%+v", r)
	}
	if r.Void != (!r.GSO || r.FloorPerPacket > bench.VoidAbove) {
		t.Errorf("void is %v with a floor of %v", r.Void, r.FloorPerPacket)
	}
	for _, ps := range []bench.Percentiles{r.FirstFrame, r.Forward} {
		if ps.P50 > ps.P95 || ps.P95 > ps.P99 {
			t.Errorf("percentiles fall: %+v", ps)
		}
	}
	// A second of 160 packets for each. A machine that is busy catches up with what it was late with before.
	if most := int64(3 * 160 * 8 * r.Seconds); r.VideoPackets > most || r.AudioPackets > r.VideoPackets {
		t.Errorf("%d video packets and %d of sound in %v s", r.VideoPackets, r.AudioPackets, r.Seconds)
	}
	var named map[string]any
	if err := json.Unmarshal([]byte(p.out.String()), &named); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpu_us_per_packet", "floor_us_per_packet", "static_rtp_us_per_packet", "kb_per_viewer", "cpu_ms_per_join", "first_frame_ms", "forward_ms"} {
		if named[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

// The server has a core of its own, and nothing is left when the bench is killed in the middle.
func TestBenchChildIsPinnedAndDiesWithItsParent(t *testing.T) {
	for _, kind := range []string{"floor", "static"} {
		t.Run(kind, func(t *testing.T) {
			p := launch(t, nil, program(t), "bench", "media", "--viewers", "4", "--seconds", "60", "--rounds", "1")
			parent := p.cmd.Process.Pid
			var child int
			eventually(t, "a server runs on one core, and the load on another", func() bool {
				child = childOf(t, parent, kind)
				if child == 0 {
					return false
				}
				theirs, ours := allowed(t, child), allowed(t, parent)
				return len(theirs) == 1 && len(ours) == 1 && theirs[0] != ours[0]
			})
			t.Cleanup(func() { // so that a failure leaves nothing either
				if runs(child) {
					_ = unix.Kill(child, unix.SIGKILL)
				}
			})
			eventually(t, "no thread of it may run elsewhere", func() bool {
				threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", child)) // the pattern is well-formed
				for _, thread := range threads {
					tid, err := strconv.Atoi(filepath.Base(thread))
					if err != nil || len(allowed(t, tid)) != 1 {
						return false
					}
				}
				return len(threads) > 1
			})
			p.kill()
			eventually(t, "the server is gone", func() bool { return !runs(child) })
		})
	}
}

// Told to end, the bench ends its children and says that it was interrupted.
func TestBenchEndsWhenTold(t *testing.T) {
	p := launch(t, nil, program(t), "bench", "media", "--viewers", "4", "--seconds", "60", "--rounds", "1")
	var child int
	eventually(t, "a server runs", func() bool {
		child = childOf(t, p.cmd.Process.Pid, "floor")
		return child != 0 && len(allowed(t, child)) == 1
	})
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.ends(exitFailed)
	eventually(t, "the server is gone", func() bool { return !runs(child) })
}

// allowed are the cores a thread may run on; none when it is gone.
func allowed(t *testing.T, tid int) (list []int) {
	t.Helper()
	var set unix.CPUSet
	if unix.SchedGetaffinity(tid, &set) != nil {
		return nil
	}
	for core := range 1024 {
		if set.IsSet(core) {
			list = append(list, core)
		}
	}
	return list
}

// childOf finds a bench's server of a kind, 0 when there is none.
func childOf(t *testing.T, parent int, kind string) int {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, proc := range folders {
		stat, err := os.ReadFile(filepath.Join(proc, "stat"))
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		words, _ := os.ReadFile(filepath.Join(proc, "cmdline")) // it may end at any time
		f := strings.Fields(rest)
		if len(f) > 1 && f[1] == strconv.Itoa(parent) && f[0] != "Z" && strings.Contains(string(words), "\x00"+kind+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(proc)) // the pattern has only numbers
			return pid
		}
	}
	return 0
}

func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestBenchSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "bench knows"},
		{[]string{"sound"}, exitUsage, "bench knows"},
		{[]string{"media", "--viewers", "0"}, exitUsage, "--viewers is 1 to 2000, not 0"},
		{[]string{"media", "--viewers", "2001"}, exitUsage, "--viewers is 1 to 2000, not 2001"},
		{[]string{"media", "--seconds", "121", "--rounds", "6"}, exitUsage, "--rounds is 1 to 5, not 6"},
		{[]string{"media", "now"}, exitUsage, "takes no"},
		{[]string{"child"}, exitFailed, "started by the other benches alone"},
		{[]string{"child", "relay", "x"}, exitFailed, `core "x"`},
	} {
		code, out, errs := ask(t, "", nil, append([]string{"bench"}, tc.args...)...)
		if code != tc.code || !strings.Contains(errs, tc.says) || out != "" {
			t.Errorf("bench %v: exit code %d, %q, want %q", tc.args, code, errs, tc.says)
		}
	}
}
