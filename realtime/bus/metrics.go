package bus

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	published, repeated, publishErrors prometheus.Counter
	repaired, renewals, readErrors     prometheus.Counter
	disconnects, unreadable            prometheus.Counter
	casts, castRepeats, castErrors     prometheus.Counter
	countErrors                        prometheus.Counter
	castDrops, historyReads            *prometheus.CounterVec
}

// Reasons why a cast, or the memory of one, was lost.
const (
	dropQueueFull  = "queue_full"  // a room stood still
	dropValuesFull = "values_full" // it was sent, and joiners will not be told
)

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "rialto_realtime_bus_" + name, Help: help})
		if reg != nil {
			reg.MustRegister(c)
		}
		return c
	}
	vector := func(name, help string, reasons ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rialto_realtime_bus_" + name, Help: help}, []string{"reason"})
		for _, reason := range reasons {
			v.WithLabelValues(reason)
		}
		if reg != nil {
			reg.MustRegister(v)
		}
		return v
	}
	why := make([]string, len(reasons))
	for i, r := range reasons {
		why[i] = string(r)
	}
	return &metrics{
		published:     counter("published_total", "Events published by this node."),
		repeated:      counter("repeated_total", "Events that had been published before."),
		publishErrors: counter("publish_errors_total", "Events that Redis did not accept."),
		repaired:      counter("repaired_total", "Events that were missed live and read from the history."),
		renewals:      counter("renewals_total", "Epochs ended because Redis went back in time."),
		readErrors:    counter("read_errors_total", "Histories that could not be read."),
		disconnects:   counter("disconnects_total", "Lost connections to Redis."),
		unreadable:    counter("unreadable_total", "Messages that could not be read."),
		casts:         counter("casts_total", "Casts sent by this node."),
		castRepeats:   counter("cast_repeats_total", "Casts that had been sent before and are still kept."),
		castErrors:    counter("cast_errors_total", "Casts that Redis did not accept."),
		countErrors:   counter("count_errors_total", "Counts of a room's viewers that Redis did not accept."),
		castDrops: vector("cast_drops_total", "Casts that a room of this node did not get, or that are not remembered, by reason.",
			dropQueueFull, dropValuesFull),
		historyReads: vector("history_reads_total", "Histories read for a room (one XRANGE each at most), by reason.", why...),
	}
}
