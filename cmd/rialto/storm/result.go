package storm

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Result is what `rialto bench storm --json` prints: one object.
type Result struct {
	Seed    uint64  `json:"seed"`
	Sockets int     `json:"sockets"`
	Memory  int     `json:"memory"`
	Nodes   int     `json:"nodes"`
	Killed  int     `json:"killed_node"`
	Redis   Trouble `json:"redis"`
	Seconds float64 `json:"seconds"` // all of it

	Updates   int64 `json:"updates"` // published, in both rooms
	Lossless  int64 `json:"lossless"`
	Frames    int64 `json:"frames"` // read and judged
	Snapshots int64 `json:"snapshots"`
	Resumes   int64 `json:"resumes"`
	Replays   int64 `json:"replays"` // lossless events told again behind an older snapshot, which pages ignore

	Lost      int64 `json:"messages_lost"`
	LostCasts int64 `json:"casts_lost"`
	Gaps      int64 `json:"bus_gaps"` // runs of lost messages, over all nodes
	Reads     int64 `json:"history_reads"`
	TailReads int64 `json:"tail_reads"` // for what was missing at two looks, or had not come in that time
	LinkReads int64 `json:"link_reads"` // for connections to Redis that were made anew
	Repaired  int64 `json:"events_repaired"`
	Parked    int64 `json:"snapshots_for_the_slow"`
	Forced    int64 `json:"snapshots_on_open_lines"` // all of them, those after Redis broke included

	Broken map[string]int64 `json:"broken"` // by promise; all zero when it held
	Words  []string         `json:"words"`  // of the first breaches
	OK     bool             `json:"ok"`
}

const readsMetric = "rialto_realtime_bus_history_reads_total"

// sum counts everything, and judges what is known only in the end.
func (r *run) sum(took time.Duration) Result {
	out := Result{
		Seed: r.o.Seed, Sockets: r.o.Sockets, Memory: r.o.Memory, Nodes: Nodes, Killed: r.plan.victim, Redis: r.o.Trouble,
		Seconds: took.Round(time.Millisecond).Seconds(), Broken: map[string]int64{}, OK: true,
	}
	for _, t := range r.truths {
		out.Updates += t.version
		out.Lossless += t.lossless
	}
	for _, w := range r.watchers() {
		out.Frames += w.frames
		out.Snapshots += w.snapshots
		out.Resumes += w.resumes
		out.Replays += w.replays
		out.Forced += w.again
	}
	for _, n := range r.nodes {
		lost, gaps, casts := n.loss.counts()
		out.Lost, out.LostCasts, out.Gaps = out.Lost+lost, out.LostCasts+casts, out.Gaps+gaps
		for _, why := range []string{"gap", "page", "full"} {
			out.Reads += int64(n.metric(readsMetric, why))
		}
	}
	out.TailReads = int64(r.metric(readsMetric, "tail"))
	out.LinkReads = int64(r.metric(readsMetric, "link"))
	out.Repaired = int64(r.metric("rialto_realtime_bus_repaired_total", ""))
	out.Parked = int64(r.metric("rialto_realtime_jumps_total", ""))
	r.judge(&out)
	for p, about := range promiseNames {
		n := r.report.broken[p].Load()
		out.Broken[about.name] = n
		out.OK = out.OK && n == 0
	}
	out.Words = r.report.words
	return out
}

func (r *run) judge(out *Result) {
	// Each gap costs its node one read at most. A machine that is too busy to hand
	// on messages between two looks reads besides, within what the promise allows.
	if out.Reads > out.Gaps || out.Reads+out.TailReads > out.Gaps*Nodes {
		r.report.breach(fewReads, "%d histories were read for gaps and %d for tails; there were %d gaps on all nodes together", out.Reads, out.TailReads, out.Gaps)
	}
	if r.resubscribes > r.jumps {
		r.report.breach(noResubscribe, "%d snapshots came on open lines before Redis broke, and %d viewers were slow", r.resubscribes, r.jumps)
	}
	if resets := r.metric("rialto_realtime_resets_total", ""); resets > 0 && r.o.Trouble.keepsData() {
		r.report.breach(noReset, "%v rooms began anew", resets)
	}
	if out.Resumes == 0 || out.Snapshots == 0 || out.Lost == 0 || out.Repaired == 0 {
		r.report.breach(allSaid, "it was no storm: %d resumes, %d snapshots, %d messages lost, %d repaired", out.Resumes, out.Snapshots, out.Lost, out.Repaired)
	}
}

// Print says it in words, or as one JSON object.
func (out Result) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(out)
	}
	fmt.Fprintf(w, "%d viewers with sockets and %d in memory on %d nodes, %.1f s; node %d was killed, Redis: %s\n",
		out.Sockets, out.Memory, out.Nodes, out.Seconds, out.Killed, out.Redis)
	fmt.Fprintf(w, "  updates      %9d   %d of them lossless\n", out.Updates, out.Lossless)
	fmt.Fprintf(w, "  frames read  %9d   %d snapshots, %d resumes; %d lossless events told again behind older snapshots\n",
		out.Frames, out.Snapshots, out.Resumes, out.Replays)
	fmt.Fprintf(w, "  bus          %9d   messages lost in %d gaps, and %d casts; %d histories read for them and %d for tails, %d events repaired; %d reads for new connections\n",
		out.Lost, out.Gaps, out.LostCasts, out.Reads, out.TailReads, out.Repaired, out.LinkReads)
	fmt.Fprintf(w, "  open lines   %9d   were given a snapshot, %d of them for being slow\n", out.Forced, out.Parked)
	for _, about := range promiseNames {
		if n := out.Broken[about.name]; n > 0 {
			fmt.Fprintf(w, "BROKEN %-15s %d: %s\n", about.name, n, about.look)
		}
	}
	for _, words := range out.Words {
		fmt.Fprintf(w, "  - %s\n", words)
	}
	if out.OK {
		fmt.Fprintln(w, "every promise held")
	}
	return nil
}
