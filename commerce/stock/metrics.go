package stock

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	taps     *prometheus.CounterVec // answer
	answers  []prometheus.Counter   // of taps: for each of outcomes, then for another error, and for none
	refused  *prometheus.CounterVec // reason: never queued
	calls    *prometheus.CounterVec // stage, result
	hopes    *prometheus.CounterVec // result
	batch    *prometheus.HistogramVec
	rebuilds *prometheus.CounterVec // reason
	dropped  *prometheus.CounterVec // reason: notes to the gate that were not delivered
	swept    *prometheus.CounterVec // what
	direct   *prometheus.CounterVec // what became of taps while Redis was away
	away     prometheus.Gauge

	driftFound    *prometheus.CounterVec // kind
	driftRepaired *prometheus.CounterVec // kind
	driftRounds   *prometheus.CounterVec // result
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help, label string, more ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rialto_commerce_stock_" + name, Help: help}, append([]string{label}, more...))
	}
	m := &metrics{
		taps:    counter("taps_total", "Taps answered.", "answer"),
		refused: counter("refused_taps_total", "Taps that were not even queued.", "reason"),
		calls:   counter("calls_total", "Gate calls and claims.", "stage", "result"),
		hopes:   counter("hopes_total", "Claims that were sent in one trip, judged by what the pool was believed to be: kept, or dashed and judged again.", "result"),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rialto_commerce_stock_batch_taps", Help: "Taps in one gate call or claim.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 10),
		}, []string{"stage"}),
		rebuilds: counter("gate_rebuilds_total", "Times the gate's copy of a pool was made anew.", "reason"),
		dropped:  counter("gate_dropped_notes_total", "Units and tags that were not reported to the gate; the comparison repairs it.", "reason"),
		swept:    counter("swept_holds_total", "Holds and leases that lapsed.", "what"),
		direct:   counter("direct_taps_total", "Taps while Redis was away: taken to Postgres alone, or refused to keep to its pace.", "result"),
		away: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rialto_commerce_stock_gate_away_pools", Help: "Pools whose Redis does not answer this node: their taps go to Postgres alone.",
		}),
		driftFound:    counter("drift_found_total", "Differences between Redis, pools, holds and movements that this node has found (table stock_drift).", "kind"),
		driftRepaired: counter("drift_repaired_total", "Differences that this node has repaired.", "kind"),
		driftRounds:   counter("drift_rounds_total", "Turns of this node to look for drift.", "result"),
	}
	for _, c := range []prometheus.Collector{m.taps, m.refused, m.calls, m.hopes, m.batch, m.rebuilds, m.dropped, m.swept, m.direct, m.away,
		m.driftFound, m.driftRepaired, m.driftRounds} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	for _, o := range outcomes {
		m.answers = append(m.answers, m.taps.WithLabelValues(o.name))
	}
	m.answers = append(m.answers, m.taps.WithLabelValues("error"), m.taps.WithLabelValues("held"))
	return m, nil
}

var outcomes = []struct {
	err  error
	name string
}{
	{ErrSoldOut, "sold_out"}, {ErrLimit, "limit"}, {ErrNotOpen, "not_open"}, {ErrClosed, "closed"}, {ErrOfferChanged, "offer_changed"}, {ErrBarred, "barred"},
	{ErrConflict, "conflict"}, {ErrGone, "gone"}, {ErrUnknown, "unknown"}, {ErrUnavailable, "unavailable"},
}

// answered counts a tap.
func (m *metrics) answered(err error) {
	if err == nil {
		m.answers[len(outcomes)+1].Inc()
		return
	}
	for i, known := range outcomes {
		if errors.Is(err, known.err) {
			m.answers[i].Inc()
			return
		}
	}
	m.answers[len(outcomes)].Inc()
}
