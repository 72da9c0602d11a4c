package chat

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	lines, hearts       prometheus.Counter
	commands            prometheus.Counter
	rulesErrors         prometheus.Counter
	refused, lostHearts *prometheus.CounterVec
}

// Reasons of lost hearts, besides "unavailable".
const (
	dropTooMany = "too_many" // of one person
	dropRooms   = "rooms"    // more rooms than are counted at once
)

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Name: "rialto_realtime_chat_" + name, Help: help}
	}
	m := &metrics{
		lines:       prometheus.NewCounter(counter("lines_total", "Lines of chat that were cast.")),
		commands:    prometheus.NewCounter(counter("commands_total", "Commands that were carried out.")),
		rulesErrors: prometheus.NewCounter(counter("rules_errors_total", "Readings of a room's rules that failed.")),
		hearts:      prometheus.NewCounter(counter("hearts_total", "Hearts that were cast.")),
		refused:     prometheus.NewCounterVec(counter("refused_total", "Calls of chat that were refused, by reason."), []string{"reason"}),
		lostHearts:  prometheus.NewCounterVec(counter("hearts_dropped_total", "Hearts that were left out, by reason."), []string{"reason"}),
	}
	if reg != nil {
		reg.MustRegister(m.lines, m.commands, m.rulesErrors, m.hearts, m.refused, m.lostHearts)
	}
	return m
}

func (m *metrics) dropHearts(reason string, n int64) {
	if n > 0 {
		m.lostHearts.WithLabelValues(reason).Add(float64(n))
	}
}
