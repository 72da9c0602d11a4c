package outbox

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	delivered *prometheus.CounterVec // lane
	failed    *prometheus.CounterVec // lane
	parked    *prometheus.CounterVec // lane, reason
	claims    *prometheus.CounterVec // lane: claims that failed because of the database
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rialto_commerce_outbox_" + name, Help: help}, labels)
	}
	m := &metrics{
		delivered: counter("delivered_rows_total", "Outbox rows handed over.", "lane"),
		failed:    counter("failed_tries_total", "Tries of outbox rows that failed and will be repeated.", "lane"),
		parked:    counter("parked_rows_total", "Outbox rows put aside because no try can help; each needs a person.", "lane", "reason"),
		claims:    counter("claim_errors_total", "Rounds that failed because of the database.", "lane"),
	}
	for _, c := range []prometheus.Collector{m.delivered, m.failed, m.parked, m.claims} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
