package peer

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/media/egress"
	"github.com/rialto-live/rialto/media/lean"
)

// metrics of the port and of who is on it.
type metrics struct {
	port    *egress.Port
	dropped prometheus.Counter
}

func newMetrics(port *egress.Port) *metrics {
	return &metrics{port: port, dropped: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rialto_media_overflowed_datagrams_total", Help: "Datagrams of publishers that came faster than they were read.",
	})}
}

func (m *metrics) register(reg prometheus.Registerer, transport *lean.Transport) {
	if reg == nil {
		return
	}
	count := func(name, help string, read func(egress.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "rialto_media_" + name, Help: help},
			func() float64 { return float64(read(m.port.Stats())) })
	}
	stream := func(name, help string, read func(lean.StreamStats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "rialto_media_tcp_" + name, Help: help},
			func() float64 { return float64(read(transport.Streams())) })
	}
	reg.MustRegister(m.dropped,
		stream("accepted_total", "TCP connections for media.", func(s lean.StreamStats) uint64 { return s.Accepted }),
		stream("refused_total", "TCP connections refused because there were too many.", func(s lean.StreamStats) uint64 { return s.Refused }),
		stream("cut_total", "TCP connections ended for what came over them, or did not.", func(s lean.StreamStats) uint64 { return s.Cut }),
		stream("full_total", "Packets for which a TCP connection had no room.", func(s lean.StreamStats) uint64 { return s.Full }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rialto_media_tcp_connections", Help: "TCP connections for media that are open."},
			func() float64 { return float64(transport.Streams().Open) }),
		count("failed_writes_total", "Datagrams the kernel did not take.", func(s egress.Stats) uint64 { return s.Failed }),
		count("socket_packets_total", "Packets sent to viewers over UDP.", func(s egress.Stats) uint64 { return s.Packets }),
		count("socket_messages_total", "Messages they were handed to the kernel in.", func(s egress.Stats) uint64 { return s.Messages }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rialto_media_lean_viewers", Help: "Viewers on the lean transport."},
			func() float64 { return float64(transport.Sessions()) }),
	)
}
