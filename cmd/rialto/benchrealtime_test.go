package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/cmd/rialto/bench"
)

// The bench of realtime runs to its end with real servers, which lose nothing. How fast is not asked here.
func TestBenchRealtime(t *testing.T) {
	p := finish(t, 0, nil, program(t), "bench", "realtime", "--conns", "50", "--idle", "60", "--seconds", "1", "--rounds", "1", "--json")
	var r bench.RealtimeResult
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatalf("it is no JSON object: %v", err)
	}
	for name, v := range map[string]float64{
		"cpu": r.CPUPerMessage, "floor": r.FloorPerMessage, "one": r.OneCPUPerMessage, "two": r.TwoCPUPerMessage, "merged": r.CPUPerEventMerged,
		"delivery": r.Delivery.P50, "floor's": r.FloorDelivery.P50, "idle": r.KBPerIdle, "writes": r.Merged.Writes, "events": r.EventsPerSecond,
		"checked": float64(r.Checked), "prices": r.Flood.Loud.P50, "calls": r.Flood.Calls, "shown": r.Flood.Shown, "quiet": r.Flood.Quiet.P50, "taken": r.Stalled.TakenKB, "busy": r.CoreBusy,
	} {
		if v <= 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
	if r.Connections != 50 || r.IdleConnections != 60 || r.Stalled.Connections != 50 || r.MessageBytes != 200 || r.Lost+r.Wrong+r.Snapshots != 0 {
		t.Errorf("%+v", r)
	}
	if r.Delivery.P50 > r.Delivery.P99 || r.FloorDelivery.P50 > r.FloorDelivery.P99 {
		t.Errorf("percentiles fall: %+v", r)
	}
	// A tick may come late on a busy machine, never early: what is written is bounded whatever the machine does.
	if r.Merged.Messages > 2*r.Merged.WritesMost || r.Merged.Changes <= 0 {
		t.Errorf("%+v", r.Merged)
	}
	names(t, p.out.String(), "cpu_us_per_message", "floor_us_per_message", "kb_per_idle_connection", "delivery_ms", "cpu_us_per_event_merged",
		"floor_delivery_ms", "cpu_us_per_message_gomaxprocs_1", "cpu_us_per_message_gomaxprocs_2", "merged", "idle", "floor_idle", "stalled", "flood", "lost", "wrong")
	for _, key := range []string{`"delivery_ms":{"p50":`, `,"p99":`, `"writes_per_viewer_second":`, `"heap_and_stack_bytes":`} {
		if !strings.Contains(p.out.String(), key) {
			t.Errorf("%s is missing", key)
		}
	}
}

// One part can be measured by itself, and people are told of that alone.
func TestBenchRealtimeOfOnePart(t *testing.T) {
	p := finish(t, 0, nil, program(t), "bench", "realtime", "--conns", "20", "--only", "stalled")
	if out := p.out.String(); !strings.Contains(out, "  stalled ") || strings.Contains(out, "  idle ") || strings.Contains(out, "  hub ") {
		t.Errorf("it says\n%s", out)
	}
}

// Any WebSocket server can be listened to; ours with a join.
func TestBenchRealtimeOfAServer(t *testing.T) {
	n := newMarket(t).node()
	show := n.signUp("mara", "creator").newShow()
	p := finish(t, 0, nil, program(t), "bench", "realtime", "--url", "ws"+strings.TrimPrefix(n.url, "http")+"/ws",
		"--hello", `{"t":"join","room":"`+show+`"}`, "--conns", "30", "--seconds", "2", "--json")
	var r bench.URLResult
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatal(err)
	}
	if r.Connections != 30 || r.Open != 30 || r.Ended+len(r.Failed) != 0 || r.Messages < 30 || r.OpenedASec <= 0 || r.BytesSec <= 0 {
		t.Errorf("%+v", r)
	}
	names(t, p.out.String(), "connects_per_second", "messages_per_second", "bytes_per_second", "delivery_ms", "timed")
}

func TestBenchRealtimeSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--conns", "0"}, exitUsage, "--conns is 1 to 60000, not 0"},
		{[]string{"--idle", "60001", "--rounds", "10"}, exitUsage, "--rounds is 1 to 9, not 10"},
		{[]string{"--hello", "x"}, exitUsage, "--hello and --anywhere go with --url"},
		{[]string{"--url", "ws://192.0.2.1/ws"}, exitUsage, "--anywhere"},
		{[]string{"--url", "http://127.0.0.1/ws"}, exitUsage, "is no ws address"},
		{[]string{"now"}, exitUsage, "takes no"},
		{[]string{"--only", "idle,double"}, exitUsage, "--only knows single, merged, idle, stalled, flood, cores, not \"double\""},
		{[]string{"--url", "ws://127.0.0.1:1/ws", "--conns", "2", "--seconds", "1"}, exitFailed, "none of 2 could connect"},
	} {
		code, _, errs := ask(t, "", nil, append([]string{"bench", "realtime"}, tc.args...)...)
		if code != tc.code || !strings.Contains(errs, tc.says) {
			t.Errorf("bench realtime %v: exit code %d, %q, want %q", tc.args, code, errs, tc.says)
		}
	}
}
