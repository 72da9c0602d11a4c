package media

import "github.com/prometheus/client_golang/prometheus"

// Why a packet was dropped. Each is a value of the reason label.
const (
	dropMalformed = "malformed" // not RTP, or longer than MaxPacket
	dropTooOld    = "too_old"   // from the publisher, older than the ring
	dropDuplicate = "duplicate" // from the publisher, already there
	dropLag       = "lag"       // viewer too far behind: skipped to a keyframe
	dropReplay    = "replay"    // a joiner's first picture was sent again, from a newer keyframe
	dropOverrun   = "overrun"   // viewer's position has left the ring
	dropCodec     = "codec"     // viewer cannot play the codec of the current publisher
	dropBudget    = "nack_budget"
	dropGone      = "nack_gone"      // asked for a packet that is no longer kept
	dropFeedback  = "feedback"       // a worker's feedback queue is full
	dropFlood     = "feedback_flood" // one viewer's share of it is full
)

var dropReasons = []string{
	dropMalformed, dropTooOld, dropDuplicate, dropLag, dropReplay, dropOverrun, dropCodec, dropBudget, dropGone, dropFeedback, dropFlood,
}

type metrics struct {
	packetsIn, bytesIn   prometheus.Counter
	packetsOut, bytesOut prometheus.Counter
	resent, late         prometheus.Counter
	nacks, plis          prometheus.Counter
	keyframeRequests     prometheus.Counter
	replays              prometheus.Counter
	joins, takeovers     prometheus.Counter
	publishers, viewers  prometheus.Gauge
	viewerLoss           prometheus.Histogram
	viewerEstimate       prometheus.Histogram
	drops                map[string]prometheus.Counter // fixed after newMetrics
	reg                  prometheus.Registerer
}

func newMetrics(reg prometheus.Registerer) *metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "rialto_media_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "rialto_media_" + name, Help: help})
		reg.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "rialto_media_" + name, Help: help, Buckets: buckets})
		reg.MustRegister(h)
		return h
	}
	m := &metrics{
		packetsIn:        counter("received_packets_total", "RTP packets from publishers."),
		bytesIn:          counter("received_bytes_total", "RTP payload bytes from publishers."),
		packetsOut:       counter("sent_packets_total", "RTP packets to viewers."),
		bytesOut:         counter("sent_bytes_total", "RTP payload bytes to viewers."),
		resent:           counter("resent_packets_total", "Packets sent again because a viewer asked."),
		late:             counter("late_packets_total", "Packets sent late because they reached us late."),
		nacks:            counter("nacked_packets_total", "Packets viewers asked for again."),
		plis:             counter("viewer_plis_total", "Keyframes viewers asked for."),
		keyframeRequests: counter("keyframe_requests_total", "Keyframes asked of publishers."),
		replays:          counter("replayed_keyframes_total", "Keyframes sent again to joiners that had not got their first picture."),
		joins:            counter("joins_total", "Viewers that began to receive."),
		takeovers:        counter("takeovers_total", "Publishers that took over a stream on air."),
		publishers:       gauge("publishers", "Publishers connected or connecting."),
		viewers:          gauge("viewers", "Viewers connected or connecting."),
		viewerLoss: histogram("viewer_loss_ratio", "Loss viewers report, by receiver report.",
			[]float64{0, .005, .01, .02, .05, .1, .2, .5}),
		viewerEstimate: histogram("viewer_estimate_bits", "Bandwidth viewers estimate, in bit/s.",
			prometheus.ExponentialBuckets(125_000, 2, 8)),
		drops: map[string]prometheus.Counter{},
		reg:   reg,
	}
	dropped := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rialto_media_dropped_packets_total", Help: "Packets not passed on, by reason.",
	}, []string{"reason"})
	reg.MustRegister(dropped)
	for _, reason := range dropReasons {
		m.drops[reason] = dropped.WithLabelValues(reason)
	}
	return m
}

func (m *metrics) drop(reason string, n uint64) { m.drops[reason].Add(float64(n)) }

// gauge exports what is asked for at each scrape.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rialto_media_" + name, Help: help}, value))
}
