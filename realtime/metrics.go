package realtime

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	rooms, conns, streams prometheus.Gauge
	parked, resting       prometheus.Gauge
	frames, bytes         prometheus.Counter
	joins, closes, drops  *prometheus.CounterVec
	jumps, resets, doubts prometheus.Counter
	snapshotErrors        prometheus.Counter
	recentErrors          prometheus.Counter
	countErrors           prometheus.Counter
}

// Reasons of dropped things, as the label says them.
const (
	dropQueueFull = "queue_full" // an answer to a viewer who takes nothing
	dropStateFull = "state_full" // an event that found no place in the room's state
	dropOlder     = "older"      // an event that a newer one of its key overtook
	dropMerged    = "merged"     // a latest value that its successor replaced before the tick
	dropRepeated  = "repeated"   // a sampled event that had come before
	dropWithdrawn = "withdrawn"  // a sampled event that was taken back
	dropThinned   = "thinned"    // a sampled event that found no place in its tick
	dropSums      = "sums"       // a number that found no place among those to be added up
	dropLagging   = "lagging"    // a frame of sampled events that one slow viewer was not shown
)

func newMetrics(reg prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "rialto_realtime_" + name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "rialto_realtime_" + name, Help: help})
	}
	vector := func(name, label, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rialto_realtime_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		rooms:          gauge("rooms", "Rooms open on this node."),
		conns:          gauge("conns", "Viewers' lines on this node."),
		streams:        gauge("streams", "Those of them that are event streams."),
		parked:         gauge("conns_parked", "Sockets that are full and wait for their viewer."),
		resting:        gauge("conns_resting", "Viewers who say nothing and cost no goroutine meanwhile."),
		frames:         counter("frames_total", "Frames handed to sockets."),
		bytes:          counter("bytes_total", "Bytes handed to sockets."),
		joins:          vector("joins_total", "kind", "Joins by kind: snapshot or resumed."),
		closes:         vector("closes_total", "code", "Sockets closed by us, by the name of the close code."),
		drops:          vector("drops_total", "reason", "What was left out, by reason."),
		jumps:          counter("jumps_total", "Slow viewers brought forward with a snapshot."),
		resets:         counter("resets_total", "Rooms that started a new epoch."),
		doubts:         counter("doubts_total", "Rooms compared with a snapshot after the bus was away."),
		snapshotErrors: counter("snapshot_errors_total", "Snapshots that could not be read."),
		recentErrors:   counter("recent_errors_total", "Rooms that could not learn what was said last."),
		countErrors:    counter("count_errors_total", "Counts of viewers that could not be told."),
	}
	if reg != nil {
		reg.MustRegister(m.rooms, m.conns, m.streams, m.parked, m.resting, m.frames, m.bytes, m.joins, m.closes, m.drops, m.jumps, m.resets, m.doubts, m.snapshotErrors,
			m.recentErrors, m.countErrors)
	}
	return m
}

// lines counts a viewer's line in or out.
func (m *metrics) lines(c *Conn, by float64) {
	m.conns.Add(by)
	if c.enc == Lines {
		m.streams.Add(by)
	}
}
