package bench

import (
	"fmt"
	"io"
	"time"
)

const (
	// unsteadyAbove is by how much the floor's rounds may differ before a run says little.
	unsteadyAbove = 1.2
	hubTick       = 100 * time.Millisecond // realtime/protocol.md
)

// Delivery is how long an event took from its making to its reading, in milliseconds: medians of the rounds.
type Delivery struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Merged is what became of many changes of a few latest values, with some lossless events between them.
type Merged struct {
	Changes    float64 `json:"changes_per_second"`
	Lossless   float64 `json:"lossless_per_second"`
	Keys       int     `json:"keys"`
	Messages   float64 `json:"messages_per_viewer_second"`
	Writes     float64 `json:"writes_per_viewer_second"`      // system calls
	WritesMost float64 `json:"writes_per_viewer_second_most"` // ticks and lossless events
	CoreBusy   float64 `json:"core_busy"`
}

// RealtimeResult is what `rialto bench realtime --json` prints: one object. Each ..._us_... is processor time.
type RealtimeResult struct {
	Connections     int     `json:"connections"`
	Rounds          int     `json:"rounds"`
	Cores           int     `json:"cores"`
	Seconds         float64 `json:"seconds"` // of a round
	EventsPerSecond float64 `json:"events_per_second"`
	MessageBytes    float64 `json:"message_bytes"`
	Unsteady        bool    `json:"unsteady"` // the floor's rounds differ by more than a fifth: the machine is busy

	CPUPerMessage   float64  `json:"cpu_us_per_message"`
	FloorPerMessage float64  `json:"floor_us_per_message"`
	OverFloor       float64  `json:"cpu_over_floor"`
	Delivery        Delivery `json:"delivery_ms"`
	FloorDelivery   Delivery `json:"floor_delivery_ms"`
	P99OverFloor    float64  `json:"p99_over_floor"`
	CoreBusy        float64  `json:"core_busy"`
	FloorCoreBusy   float64  `json:"floor_core_busy"`

	OneCPUPerMessage float64 `json:"cpu_us_per_message_gomaxprocs_1"` // server and load share all cores
	TwoCPUPerMessage float64 `json:"cpu_us_per_message_gomaxprocs_2"`
	TwoOverOne       float64 `json:"gomaxprocs_2_over_1"`

	CPUPerEventMerged float64 `json:"cpu_us_per_event_merged"`
	MergedOverSingle  float64 `json:"merged_over_single"`
	Merged            Merged  `json:"merged"`

	IdleConnections int     `json:"idle_connections"`
	KBPerIdle       float64 `json:"kb_per_idle_connection"`
	IdleEach        Idle    `json:"idle"`
	FloorIdleEach   Idle    `json:"floor_idle"`
	Stalled         Stalled `json:"stalled"`

	Flood Flood `json:"flood"`

	Delivered int64 `json:"delivered"` // messages
	Checked   int64 `json:"checked"`   // events that were looked at to the last byte
	Lost      int64 `json:"lost"`
	Wrong     int64 `json:"wrong"`
	Snapshots int64 `json:"snapshots"` // given to clients that were too slow

	hub, floor, one, two side
	sized, sizes         int64
	only                 string
}

func (r *RealtimeResult) side(kind string) *side {
	if kind == "hub" {
		return &r.hub
	}
	return &r.floor
}

// judge counts what did not come as it was said.
func (r *RealtimeResult) judge(h heard, t *ledger) {
	r.Delivered += h.messages
	r.Checked += t.checked
	r.Lost += t.lacks
	r.Wrong += t.wrong
	r.Snapshots += t.joins
	r.sized += t.sized
	r.sizes += t.sizes
}

// verdict is ErrLost unless everybody was told everything.
func (r *RealtimeResult) verdict() error {
	if r.Lost+r.Wrong == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d lost, %d wrong", ErrLost, r.Lost, r.Wrong)
}

func (r *RealtimeResult) merge(h heard, t *ledger) {
	r.judge(h, t)
	seconds, viewers := h.lasts.Seconds(), float64(r.Connections)
	changes := float64(h.wanted) / viewers
	lossless := changes / mergedSparse
	r.Merged = Merged{
		Changes: round((changes - lossless) / seconds), Lossless: round(lossless / seconds), Keys: mergedKeys,
		Messages: round(float64(h.messages) / viewers / seconds), Writes: round(float64(h.writes) / viewers / seconds),
		WritesMost: round((seconds/hubTick.Seconds() + 1 + lossless) / seconds), CoreBusy: round(h.busy()),
	}
	r.CPUPerEventMerged = h.perEvent()
}

// finish makes one number of the rounds.
func (r *RealtimeResult) finish() {
	r.Seconds = round(median(r.hub.seconds))
	r.MessageBytes = round(ratio(float64(r.sizes), float64(r.sized)))
	r.Unsteady = r.floor.spread() > unsteadyAbove
	r.CPUPerMessage, r.FloorPerMessage = round(median(r.hub.perMessage)), round(median(r.floor.perMessage))
	r.OverFloor = round(ratio(r.CPUPerMessage, r.FloorPerMessage))
	r.Delivery, r.FloorDelivery = r.hub.delivery(), r.floor.delivery()
	r.P99OverFloor = round(ratio(r.Delivery.P99, r.FloorDelivery.P99))
	r.CoreBusy, r.FloorCoreBusy = round(median(r.hub.busy)), round(median(r.floor.busy))
	r.OneCPUPerMessage, r.TwoCPUPerMessage = round(median(r.one.perMessage)), round(median(r.two.perMessage))
	r.TwoOverOne = round(ratio(r.TwoCPUPerMessage, r.OneCPUPerMessage))
	r.MergedOverSingle = round(ratio(r.CPUPerEventMerged, r.CPUPerMessage))
	r.CPUPerEventMerged = round(r.CPUPerEventMerged)
}

// print writes the result for people: what was measured of it.
func (r RealtimeResult) print(out io.Writer) {
	o := RealtimeOptions{Only: r.only}
	fmt.Fprintf(out, "%d connections in one room\n\n", r.Connections)
	if o.wants("single") {
		fmt.Fprintf(out, "  events          %7.1f a second of %.0f bytes, %d rounds of %.0f s\n", r.EventsPerSecond, r.MessageBytes, r.Rounds, r.Seconds)
		fmt.Fprintf(out, "  floor           %7.2f us a message   one bare write(2) of the same bytes; its core is %.0f %% busy\n", r.FloorPerMessage, 100*r.FloorCoreBusy)
		fmt.Fprintf(out, "  hub             %7.2f us a message   %.2f x the floor; its core is %.0f %% busy\n", r.CPUPerMessage, r.OverFloor, 100*r.CoreBusy)
		fmt.Fprintf(out, "  delivery        %7.1f ms             p99 %.1f; floor %.1f, p99 %.1f; p99 is %.2f x the floor's\n",
			r.Delivery.P50, r.Delivery.P99, r.FloorDelivery.P50, r.FloorDelivery.P99, r.P99OverFloor)
	}
	if o.wants("merged") {
		share := ""
		if r.MergedOverSingle > 0 { // both were measured
			share = fmt.Sprintf("%.3f x a write for each; ", r.MergedOverSingle)
		}
		fmt.Fprintf(out, "  merged          %7.3f us an event    %s%.0f changes of %d keys and %.1f lossless events a second\n",
			r.CPUPerEventMerged, share, r.Merged.Changes, r.Merged.Keys, r.Merged.Lossless)
		fmt.Fprintf(out, "                  %7.2f writes a viewer and second, of at most %.2f (ticks and lossless events); %.2f messages; core %.0f %% busy\n",
			r.Merged.Writes, r.Merged.WritesMost, r.Merged.Messages, 100*r.Merged.CoreBusy)
	}
	r.printMemory(out, o)
	if o.wants("flood") {
		fmt.Fprintf(out, "  flood           %7.2f x p99           of %.0f events a second to %d viewers, who make %.0f calls a second and are told %.1f messages of them each\n",
			r.Flood.P99, r.Flood.Events, r.Flood.Viewers, r.Flood.Calls, r.Flood.Shown)
		fmt.Fprintf(out, "                  %7.1f ms             p99 %.1f; while all are silent %.1f, p99 %.1f; core %.0f %% busy\n",
			r.Flood.Loud.P50, r.Flood.Loud.P99, r.Flood.Quiet.P50, r.Flood.Quiet.P99, 100*r.Flood.CoreBusy)
	}
	if o.wants("cores") {
		fmt.Fprintf(out, "  GOMAXPROCS=1    %7.2f us a message   server and load share %d cores\n", r.OneCPUPerMessage, r.Cores)
		fmt.Fprintf(out, "  GOMAXPROCS=2    %7.2f us a message   %.2f x that\n", r.TwoCPUPerMessage, r.TwoOverOne)
	}
	fmt.Fprintf(out, "  told            %d messages; %d events lost, %d wrong of %d looked at; %d snapshots for the slow\n",
		r.Delivered, r.Lost, r.Wrong, r.Checked, r.Snapshots)
	if r.Unsteady {
		fmt.Fprintf(out, "\nunsteady: the floor's rounds differ by more than a fifth, so the machine is too busy to say much\n")
	}
}

func (r RealtimeResult) printMemory(out io.Writer, o RealtimeOptions) {
	if o.wants("idle") {
		fmt.Fprintf(out, "  idle            %7.2f KB             each of %d; %.2f once garbage is collected; floor %.2f, %.2f\n",
			r.KBPerIdle, r.IdleConnections, r.IdleEach.Collected/1024, r.FloorIdleEach.RSS/1024, r.FloorIdleEach.Collected/1024)
		fmt.Fprintf(out, "                  %7.0f bytes of heap, %.0f of stacks, %.2f goroutines each\n", r.IdleEach.Heap, r.IdleEach.Stacks, r.IdleEach.Routines)
	}
	if o.wants("stalled") {
		fmt.Fprintf(out, "  stalled         %7.0f bytes more     each of %d: heap %.0f, stacks %.0f, resident %.0f; %.2f goroutines; the kernel took %.0f KB\n",
			r.Stalled.HeapStacks, r.Stalled.Connections, r.Stalled.Heap, r.Stalled.Stacks, r.Stalled.RSS, r.Stalled.Routines, r.Stalled.TakenKB)
		if !r.Stalled.Full {
			fmt.Fprintf(out, "                  not all sockets were full, so that this is not what stalled connections cost\n")
		}
	}
}
