package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/cmd/rialto/bench"
)

// The bench of joins runs to its end with a real server. How fast is not asked here.
func TestBenchJoins(t *testing.T) {
	p := finish(t, 0, nil, program(t), "bench", "joins", "--viewers", "3", "--joins", "6", "--seconds", "1", "--json")
	var r bench.JoinsResult
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatalf("it is no JSON object: %v", err)
	}
	if r.Viewers != 3 || r.Joins != 6 || r.Admitted != 6 || r.Failed+r.GaveUp != 0 || r.EarlyEnded != 0 {
		t.Errorf("%+v", r)
	}
	if r.FirstPicture.P50 <= 0 || r.FirstPicture.P50 > r.FirstPicture.P95 || r.Lag.P95 > r.LagMax || r.LagMeasured == 0 || r.CoreBusy <= 0 {
		t.Errorf("%+v", r)
	}
	names(t, p.out.String(), "admitted", "refused", "playing", "first_picture_ms", "lag_ms", "early_packets_lost", "server_dropped", "keyframe_requests_per_s", "cpu_ms_per_join")
}

// The bench of churn says with its exit code whether something was kept. After a moment that may be so or not.
func TestBenchChurn(t *testing.T) {
	p := launch(t, nil, program(t), "bench", "churn", "--joins", "100", "--at-once", "8", "--settle", "1", "--json")
	<-p.done // it ends by itself, or the test is ended
	var r bench.ChurnResult
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatalf("it is no JSON object: %v", err)
	}
	left := 0
	for _, n := range r.Left {
		left += n
	}
	if r.Joins != 100 || left != 100 || len(r.Left) != 5 || len(r.Failed) != 0 {
		t.Errorf("%+v", r)
	}
	if said := strings.Contains(p.err.String(), bench.ErrGrew.Error()); said != r.Grew || (p.code == exitFailed) != r.Grew {
		t.Errorf("exit code %d, %v: %+v", p.code, said, r)
	}
	for _, h := range []bench.Holding{r.Before, r.After} {
		if h.RSS <= 0 || h.Heap <= 0 || h.Heap > h.RSS || h.Goroutines <= 0 || h.Descriptors <= 0 {
			t.Errorf("%+v", h)
		}
	}
	names(t, p.out.String(), "before", "after", "growth", "grew")
}

func names(t *testing.T, text string, want ...string) {
	t.Helper()
	var named map[string]any
	if err := json.Unmarshal([]byte(text), &named); err != nil || strings.Count(strings.TrimSpace(text), "\n") != 0 {
		t.Fatalf("not one object on one line: %v", err)
	}
	for _, name := range want {
		if named[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestCrowdBenchesSayWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"joins", "--joins", "0"}, "--joins is 1 to 2000, not 0"},
		{[]string{"joins", "now"}, "takes no"},
		{[]string{"churn", "--settle", "121"}, "--settle is 1 to 120, not 121"},
		{[]string{"churn", "now"}, "takes no"},
	} {
		code, out, errs := ask(t, "", nil, append([]string{"bench"}, tc.args...)...)
		if code != exitUsage || !strings.Contains(errs, tc.says) || out != "" {
			t.Errorf("bench %v: exit code %d, %q, want %q", tc.args, code, errs, tc.says)
		}
	}
}
