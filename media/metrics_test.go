package media

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMetricsCanBeMadeTwiceInAProcess(t *testing.T) {
	for range 2 {
		reg := prometheus.NewRegistry()
		r := newRelay(t, Config{Registerer: reg})
		c := newCamera(t, r, "acc_1", VP8)
		c.send(1, true)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]float64{}
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "rialto_media_") {
				t.Errorf("name %s", f.GetName())
			}
			m := f.GetMetric()[0]
			seen[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
			if f.GetName() == "rialto_media_dropped_packets_total" && len(f.GetMetric()) != len(dropReasons) {
				t.Errorf("%d reasons, want all %d from the start", len(f.GetMetric()), len(dropReasons))
			}
		}
		if seen["rialto_media_received_packets_total"] != 1 || seen["rialto_media_publishers"] != 1 {
			t.Errorf("counted %v", seen)
		}
	}
}

func TestConfigSaysEverythingWrong(t *testing.T) {
	_, err := New(Config{MaxViewers: -1, Grace: -1})
	for _, want := range []string{"MaxViewers", "Grace"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
