package bench

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/cmd/rialto/load"
)

func TestCrowdOptions(t *testing.T) {
	for _, good := range []interface{ Validate() error }{
		JoinsOptions{Viewers: MaxEarly, Joins: MaxJoins, Seconds: MaxSeconds}, JoinsOptions{Viewers: 1, Joins: 1, Seconds: 1},
		ChurnOptions{Joins: MaxChurn, AtOnce: MaxAtOnce, Settle: MaxSettle}, ChurnOptions{Joins: 1, AtOnce: 1, Settle: 1},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for says, bad := range map[string]interface{ Validate() error }{
		"--viewers is 1 to 1000, not 1001":   JoinsOptions{Viewers: MaxEarly + 1},
		"--joins is 1 to 2000, not 2001":     JoinsOptions{Joins: MaxJoins + 1},
		"--seconds is 1 to 120, not 0":       JoinsOptions{},
		"--joins is 1 to 100000, not 100001": ChurnOptions{Joins: MaxChurn + 1},
		"--at-once is 1 to 256, not 257":     ChurnOptions{AtOnce: MaxAtOnce + 1},
		"--settle is 1 to 120, not 121":      ChurnOptions{Settle: MaxSettle + 1},
	} {
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if Joins(t.Context(), JoinsOptions{}, io.Discard) == nil || Churn(t.Context(), ChurnOptions{}, io.Discard) == nil {
		t.Error("what is not valid is taken")
	}
}

// A joiner is compared with what the first of the early viewers had at the same moment, 3 s after its request.
func TestLags(t *testing.T) {
	begin := time.Now()
	made := func(ms int) []byte {
		b := fill(make([]byte, 200), 1, 1)
		for at := 1; at+recordBytes <= len(b); at += recordBytes {
			for i := range 8 {
				b[at+8+i] = byte(uint64(time.Duration(ms)*time.Millisecond) >> (56 - 8*i))
			}
		}
		return b
	}
	var l lags
	for ms := 0; ms <= 6000; ms += 100 { // seen 5 ms after it was made
		l.early(load.Packet{Video: true, At: begin.Add(time.Duration(ms+5) * time.Millisecond), Payload: made(ms)})
	}
	l.early(load.Packet{Viewer: 1, Video: true, At: begin.Add(7 * time.Second), Payload: made(9000)}) // not the one that is asked
	l.early(load.Packet{At: begin.Add(7 * time.Second), Payload: made(9000)})                         // sound
	take := func(viewer, request, since, ms int) {
		l.joiner(load.Packet{Viewer: viewer, Video: true, Since: time.Duration(since) * time.Millisecond,
			At: begin.Add(time.Duration(request+since) * time.Millisecond), Payload: made(ms)})
	}
	take(7, 1000, 500, 200)   // still being caught up
	take(7, 1000, 2990, 3900) // and there: 4.0 s is not seen before 4.005
	take(7, 1000, 3200, 4200) // too late to count
	take(8, 2000, 2900, 4600) // at 5 s the early one has 4.9
	take(9, 1500, 2000, 3400) // its line broke: at 4.5 s there is 4.4
	take(10, 1000, 2999, 3950)
	l.joiner(load.Packet{Viewer: 11, Video: true, Payload: make([]byte, 200)}) // something else
	want := []time.Duration{0, 0, 300 * time.Millisecond, time.Second}
	if got := l.all(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRcvbufErrors(t *testing.T) {
	const text = "Ip: Forwarding\nIp: 1\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\nUdp: 100 2 3 4 55 6\nUdpLite: RcvbufErrors\nUdpLite: 7\n"
	if n, err := rcvbufErrors(text); err != nil || n != 55 {
		t.Errorf("%d, %v", n, err)
	}
	for _, bad := range []string{"", "Udp: RcvbufErrors\n", "Udp: InErrors RcvbufErrors\nUdp: 3\n", "Udp: RcvbufErrors\nUdp: many\n"} {
		if _, err := rcvbufErrors(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
	if n, err := fullSockets(); err != nil || n < 0 {
		t.Errorf("of this machine: %d, %v", n, err)
	}
}

func TestDescriptorsOfThisProcess(t *testing.T) {
	before, err := descriptors(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		socket(t)
	}
	if after, err := descriptors(os.Getpid()); err != nil || after < before+10 {
		t.Errorf("%d after %d, %v", after, before, err)
	}
	if _, err := descriptors(1 << 22); err == nil {
		t.Error("a process that is not there has files")
	}
}

// All ways to leave are walked, and few enough abandon their handshake that others get in.
func TestLeaving(t *testing.T) {
	n := map[load.Leaving]int{}
	for i := range 10_000 {
		n[leaving(i)]++
	}
	if n[load.Deletes] != 5000 || n[load.NeverAnswers] != 400 || n[load.NeverShakesHands] != 400 || n[load.FallsSilent] != 100 || n[load.SaysGoodbye] != 4100 {
		t.Errorf("%v", n)
	}
}

func TestGrowth(t *testing.T) {
	base := Holding{RSS: 100 << 20, Heap: 1000, Goroutines: 100, Descriptors: 20}
	for _, tc := range []struct {
		after Holding
		grew  bool
	}{
		{base, false},
		{Holding{RSS: 105 << 20, Heap: 1050, Goroutines: 105, Descriptors: 21}, false}, // at the bound
		{Holding{RSS: 105<<20 + 1, Heap: 1, Goroutines: 1, Descriptors: 1}, true},      // one past it, each
		{Holding{Heap: 1051}, true},
		{Holding{Goroutines: 106}, true},
		{Holding{Descriptors: 22}, true},
	} {
		r := ChurnResult{Before: base, After: tc.after}
		if r.compare(); r.Grew != tc.grew {
			t.Errorf("%+v: %v, %+v", tc.after, r.Grew, r.Growth)
		}
	}
	r := ChurnResult{Joins: 7, Before: base, After: base, Failed: map[string]int{"dial": 1}}
	r.compare()
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{"7 joined and left", "failed: map[dial:1]", "102400 KB", "1.000 x"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestJoinsResultAddsUp(t *testing.T) {
	crowd, err := load.New(load.Config{URL: "http://127.0.0.1:1/whep/a", Viewers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(crowd.Close)
	j := &joins{options: JoinsOptions{Viewers: 5, Joins: 10, Seconds: 2}, crowd: crowd}
	at := time.Now()
	before := reading{at: at, state: state{Dropped: map[string]float64{"lag": 1, "late": 4}}, full: 3, asked: 2, early: load.Stats{Lost: 1}}
	joined := reading{at: at.Add(2 * time.Second), cpu: time.Second, packets: 100_000, asked: 6}
	settled := reading{at: at.Add(4 * time.Second), cpu: 1500 * time.Millisecond, packets: 200_000, full: 5,
		state: state{Dropped: map[string]float64{"lag": 4, "late": 4}}, early: load.Stats{Lost: 3, Ended: 1}}
	r := j.result(8, before, joined, settled)
	if r.CPUPerPacket != 5 || r.CPUPerJoin != 500 || r.KeyframesAsked != 2 || r.CoreBusy != 0.5 || r.EarlyLost != 2 || r.EarlyEnded != 1 ||
		r.ReceiversFull != 2 || len(r.ServerDropped) != 1 || r.ServerDropped["lag"] != 3 || r.Playing != 8 || r.Failed != 10 || r.LagMeasured != 0 {
		t.Errorf("%+v", r)
	}
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{"10 join in 2 s a show that 5 watch", "8 within 15 s", "lost 2 packets", "map[lag:3]"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestChildTells(t *testing.T) {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: dropped}, []string{"reason"})
	registry.MustRegister(counter)
	counter.WithLabelValues("lag").Add(3)
	ask := func(s *server, query string) (now state) {
		w := httptest.NewRecorder()
		s.tell(w, httptest.NewRequest(http.MethodGet, "/state"+query, nil))
		if err := json.NewDecoder(w.Body).Decode(&now); err != nil || w.Code != http.StatusOK {
			t.Fatal(err, w.Code)
		}
		return now
	}
	if now := ask(&server{metrics: registry}, ""); now.Dropped["lag"] != 3 || now.Goroutines < 1 || now.Threads < 1 || now.Heap != 0 {
		t.Errorf("%+v", now)
	}
	if now := ask(&server{}, "?gc=1"); len(now.Dropped) != 0 || now.Heap <= 0 {
		t.Errorf("%+v", now)
	}
}

func TestNobodyCanJoin(t *testing.T) {
	crowd, err := load.New(load.Config{URL: "http://127.0.0.1:1/whep/a", Viewers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(crowd.Close)
	if _, err := (ChurnOptions{AtOnce: 2}).pass(t.Context(), crowd, 3); err == nil || !strings.Contains(err.Error(), "nobody could join") {
		t.Errorf("churn: %v", err)
	}
	if err := allPlay(t.Context(), crowd); err == nil || !strings.Contains(err.Error(), "nobody could join") {
		t.Errorf("joins: %v", err)
	}
	if _, err := (ChurnOptions{AtOnce: 2}).pass(canceled(t), crowd, 3); err == nil || errors.Is(err, ErrGrew) {
		t.Errorf("when all is over: %v", err)
	}
}
