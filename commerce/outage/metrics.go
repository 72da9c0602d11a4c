package outage

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics have the label cause: what was away.
type metrics struct {
	outages *prometheus.CounterVec
	lasted  *prometheus.CounterVec
	moved   *prometheus.CounterVec
	things  *prometheus.CounterVec // what: whose deadlines
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rialto_commerce_outage_" + name, Help: help}, append([]string{"cause"}, labels...))
	}
	m := &metrics{
		outages: counter("outages_total", "Times in which nobody could buy, or the creator was away, that this node has made up for."),
		lasted:  counter("lasted_seconds_total", "How long they lasted."),
		moved:   counter("moved_seconds_total", "How far they moved deadlines, at most MaxMoved each."),
		things:  counter("moved_total", "What had its deadline moved.", "what"),
	}
	for _, c := range []prometheus.Collector{m.outages, m.lasted, m.moved, m.things} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) count(cause string, lasted, moved time.Duration, holds, payments, flashes int) {
	m.outages.WithLabelValues(cause).Inc()
	m.lasted.WithLabelValues(cause).Add(lasted.Seconds())
	m.moved.WithLabelValues(cause).Add(moved.Seconds())
	m.things.WithLabelValues(cause, "holds").Add(float64(holds))
	m.things.WithLabelValues(cause, "payments").Add(float64(payments))
	m.things.WithLabelValues(cause, "flash_prices").Add(float64(flashes))
}
