package whip

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer, t *table) (*metrics, error) {
	m := &metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rialto_media_whip_requests_total", Help: "Requests of WHIP and WHEP, by what was wanted and the status of the answer.",
	}, []string{"action", "status"})}
	if registerer == nil {
		return m, nil
	}
	if err := registerer.Register(m.requests); err != nil {
		return nil, err
	}
	return m, registerer.Register(sessionGauge{table: t, sessions: prometheus.NewDesc("rialto_media_whip_sessions",
		"Open WHIP and WHEP sessions.", []string{"action"}, nil)})
}

// answered counts; a request for another path has no action and is no one's.
func (m *metrics) answered(action Action, status int) {
	if action != 0 {
		m.requests.WithLabelValues(action.String(), strconv.Itoa(status)).Inc()
	}
}

// sessionGauge reads the table when it is asked, so that nothing can drift.
type sessionGauge struct {
	table    *table
	sessions *prometheus.Desc
}

func (g sessionGauge) Describe(descs chan<- *prometheus.Desc) { descs <- g.sessions }

func (g sessionGauge) Collect(values chan<- prometheus.Metric) {
	publishing, watching := g.table.count()
	values <- prometheus.MustNewConstMetric(g.sessions, prometheus.GaugeValue, float64(publishing), Publish.String())
	values <- prometheus.MustNewConstMetric(g.sessions, prometheus.GaugeValue, float64(watching), Watch.String())
}

// statusWriter remembers the status that went out.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the server's writer.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
