package bus

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	published, repeated, publishErrors prometheus.Counter
	repaired, renewals, readErrors     prometheus.Counter
	disconnects, unreadable            prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "rialto_realtime_bus_" + name, Help: help})
		if reg != nil {
			reg.MustRegister(c)
		}
		return c
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
	}
}
