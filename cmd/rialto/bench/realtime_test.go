package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load/frames"
)

func TestRealtimeOptions(t *testing.T) {
	for _, good := range []RealtimeOptions{
		{Conns: MaxConnections, Idle: MaxConnections, Seconds: MaxSeconds, Rounds: MaxRealtimeRounds},
		{Conns: 1, Seconds: 1, URL: "ws://127.0.0.1:1/ws", Hello: strings.Repeat("x", maxHello)},
		{Conns: 1, Seconds: 1, URL: "ws://shop.example/ws", Anywhere: true},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for says, bad := range map[string]RealtimeOptions{
		"--conns is 1 to 60000, not 60001":                          {Conns: MaxConnections + 1},
		"--idle is 1 to 60000, not 60001":                           {Idle: MaxConnections + 1},
		"--rounds is 1 to 9, not 10":                                {Rounds: MaxRealtimeRounds + 1},
		"--seconds is 1 to 120, not 121":                            {Seconds: MaxSeconds + 1},
		"--hello and --anywhere go with --url":                      {Hello: "x"},
		`single, merged, idle, stalled, flood, cores, not "double"`: {Only: "idle,double"},
		"--hello has at most 65536 bytes":                           {URL: "ws://127.0.0.1/", Hello: strings.Repeat("x", maxHello+1)},
		"is not on this machine":                                    {URL: "ws://192.0.2.1/"},
		`"http://127.0.0.1/" is no ws address`:                      {URL: "http://127.0.0.1/"},
		`"wss://127.0.0.1/" is no ws address`:                       {URL: "wss://127.0.0.1/"},
		"--url: parse":                                              {URL: "ws://%"},
	} {
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if Realtime(t.Context(), RealtimeOptions{}, io.Discard) == nil {
		t.Error("what is not valid is taken")
	}
	if err := roomFor(1); err != nil {
		t.Error(err)
	}
	if err := roomFor(math.MaxInt32); err == nil || !strings.Contains(err.Error(), "ask for at most") {
		t.Errorf("%v", err)
	}
}

// A message has its length whatever number it is, what it says is read from it, and a change is seen.
func TestMessages(t *testing.T) {
	for _, key := range []int{losslessKey, 0, keysMost - 1} {
		for _, version := range []int64{1, 9, 10, 99_999, math.MaxUint32} {
			e := event{at: 123456789 * time.Second, n: uint32(version), key: key}
			b := e.frame(version, messageBytes)
			text := b[4:]
			if len(text) != messageBytes || b[0] != 0x81 || b[1] != 126 || int(b[2])<<8|int(b[3]) != len(text) {
				t.Fatalf("a message of %d bytes behind % x", len(text), b[:4])
			}
			var whole struct {
				V, O int64
				K    string
				D    struct{ Pad string }
			}
			if err := json.Unmarshal(text, &whole); err != nil || whole.V != version || whole.O != version || whole.K != keyName(key) || whole.D.Pad == "" {
				t.Fatalf("%s: %v", text, err)
			}
			got, rest, good, ok := nextEvent(text, true)
			if got != e || !good || !ok || string(rest) != "}" {
				t.Fatalf("%s is read as %+v, %v, %v, %q", text, got, good, ok, rest)
			}
			at := bytes.Index(text, []byte(padMark)) + len(padMark)
			text[at+3]++
			if _, _, good, _ := nextEvent(text, true); good {
				t.Error("a changed byte is not seen")
			}
			if _, _, good, ok := nextEvent(text[:at-1], false); good || ok {
				t.Error("half an event is one")
			}
		}
	}
	if n := len(event{key: losslessKey}.frame(1, fullBytes)); n != fullBytes+4 {
		t.Errorf("a large message has %d bytes", n)
	}
	if n := len(event{key: losslessKey}.frame(1, 0)); n >= messageBytes {
		t.Errorf("one without padding has %d bytes", n)
	}
	if _, _, good, ok := nextEvent([]byte(`{"t":"viewers.set","d":{"count":5}}`), true); !good || ok {
		t.Error("something else is an event")
	}
	tick := slices.Concat([]byte(`{"t":"tick","o":3,"d":[`), event{n: 4, key: 1}.data(2, 150), []byte(","), event{n: 2, key: 2}.data(3, 150), []byte("]}"))
	var read []event
	for rest, ok := tick, true; ok; {
		var e event
		if e, rest, _, ok = nextEvent(rest, true); ok {
			read = append(read, e)
		}
	}
	if want := []event{{n: 4, key: 1}, {n: 2, key: 2}}; !slices.Equal(read, want) {
		t.Errorf("%+v", read)
	}
}

func said(n uint32) []byte {
	return event{at: time.Second, n: n, key: losslessKey}.frame(int64(n), messageBytes)[4:]
}

// Whatever a server leaves out, repeats or changes is noticed.
func TestLedgerNoticesWhatIsNotRight(t *testing.T) {
	joined := []byte(`{"t":"joined","epoch":"e","o":0,"d":[]}`)
	for name, c := range map[string]struct {
		heard                  []uint32
		behind                 int
		lost, wrong, snapshots int64
		change                 func([]byte)
	}{
		"all":            {heard: []uint32{1, 2, 3}},
		"a gap":          {heard: []uint32{1, 3}, lost: 1},
		"the first":      {heard: []uint32{3}, lost: 2},
		"the last":       {heard: []uint32{1, 2}, behind: 1, lost: 1},
		"nothing":        {behind: 1, lost: 3},
		"twice":          {heard: []uint32{1, 2, 2, 3}, wrong: 1},
		"out of order":   {heard: []uint32{1, 3, 2}, lost: 1, wrong: 1},
		"another's text": {heard: []uint32{1, 2, 3}, wrong: 3, change: func(b []byte) { b[len(b)-10] = '-' }},
	} {
		l := newLedger(1, false)
		l.take(0, joined, 0)
		for _, n := range c.heard {
			b := said(n)
			if c.change != nil {
				c.change(b)
			}
			l.messages = checkEvery - 1 // so that it is looked at whole
			l.take(0, b, 2*time.Second)
		}
		done := hubDone{Lossless: 3}
		if got := l.behind(done); got != c.behind || l.lost(done) != c.lost || l.wrong != c.wrong || len(l.delivered) != len(c.heard) {
			t.Errorf("%s: %d behind, %d lost, %d wrong, %d timed", name, got, l.lost(done), l.wrong, len(l.delivered))
		}
	}
	l := newLedger(1, false)
	l.base.Lossless = 7
	l.take(0, joined, 0)
	l.take(0, said(8), 2*time.Second)
	l.take(0, joined, 0)
	if l.joined != 1 || l.joins != 1 || l.lost(hubDone{Lossless: 8}) != 0 || l.delivered[0] != time.Second {
		t.Errorf("%+v", l)
	}
}

// Of latest values some may be left out, but not the last; none may go back.
func TestLedgerOfLatestValues(t *testing.T) {
	tell := func(l *ledger, key int, n uint32) { l.take(0, event{n: n, key: key}.frame(1, messageBytes)[4:], 0) }
	done := hubDone{}
	done.Keys[3] = 9
	l := newLedger(1, true)
	l.take(0, joinedMark, 0)
	tell(l, 3, 4)
	if l.behind(done) != 1 || l.lost(done) != 1 || l.wrong != 0 {
		t.Errorf("the last is not missed: %+v", l)
	}
	tell(l, 3, 9)
	if l.behind(done) != 0 || l.lost(done) != 0 || l.wrong != 0 {
		t.Errorf("%+v", l)
	}
	tell(l, 3, 8)
	tell(l, 3, 9)
	if l.wrong != 2 {
		t.Errorf("values go back: %d wrong", l.wrong)
	}
	keyless := newLedger(1, false)
	tell(keyless, 3, 1)
	if keyless.wrong != 1 {
		t.Error("a latest value that nobody said is taken")
	}
}

// gappy is a hub that leaves out the third event of each four.
func gappy(t *testing.T) *audience {
	t.Helper()
	r := &rawWrite{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", r.upgrade)
	mux.Handle("POST /publish", &sayer{say: func(ctx context.Context, e event, version int64, size int) error {
		if e.n%4 == 3 {
			return nil
		}
		return r.say(ctx, e, version, size)
	}})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	a := &audience{kind: "gappy", tally: newLedger(5, false), child: &child{url: server.URL}}
	var err error
	if a.crowd, err = frames.New(a.clients(netip.MustParseAddrPort(strings.TrimPrefix(server.URL, "http://")), 0)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.crowd.Close)
	return a
}

// A server that loses messages is found out, through real sockets.
func TestServerThatLosesIsNoticed(t *testing.T) {
	a := gappy(t)
	if err := a.crowd.Open(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if err := a.crowd.Read(t.Context(), func() bool { return a.tally.joined == 5 }); err != nil {
		t.Fatal(err)
	}
	if err := a.listen(t.Context(), hubOrder{Events: 9, Size: messageBytes}); err != nil {
		t.Fatal(err)
	}
	if lost := a.tally.lost(a.said); lost != 10 || a.tally.wrong != 0 || a.said.Lossless != 9 || a.tally.messages != 35 {
		t.Errorf("%d lost, %d wrong of %d: %d came", lost, a.tally.wrong, a.said.Lossless, a.tally.messages)
	}
	var r RealtimeResult
	a.tally.lacks = a.tally.lost(a.said)
	r.judge(heard{messages: a.tally.messages}, a.tally)
	if err := r.verdict(); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "10 lost, 0 wrong") {
		t.Errorf("the verdict is %v", err)
	}
	if err := (&RealtimeResult{}).verdict(); err != nil {
		t.Error(err)
	}
}

func TestOrders(t *testing.T) {
	for _, good := range []hubOrder{{Events: 1}, {Events: maxEvents, Every: maxEventGap, Size: maxOrderSize, Keys: keysMost, Lossless: 1}} {
		if err := good.validate(); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []hubOrder{{}, {Events: maxEvents + 1}, {Events: 1, Every: maxEventGap + 1}, {Events: 1, Size: maxOrderSize + 1},
		{Events: 1, Keys: keysMost + 1}, {Events: 1, Every: -1}, {Events: 1, Lossless: -1}} {
		w := httptest.NewRecorder()
		text, _ := json.Marshal(bad) // it has only numbers
		(&sayer{}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/publish", bytes.NewReader(text)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%+v is answered %d", bad, w.Code)
		}
	}
	var keys []int
	s := &sayer{say: func(_ context.Context, e event, version int64, _ int) error {
		keys = append(keys, e.key)
		return nil
	}}
	done, err := s.run(t.Context(), hubOrder{Events: 8, Keys: 2, Lossless: 4})
	if want := []int{losslessKey, 1, 0, 1, losslessKey, 1, 0, 1}; err != nil || !slices.Equal(keys, want) || done.Lossless != 2 || done.Keys[0] != 2 || done.Keys[1] != 4 {
		t.Errorf("%v, %+v, %v", keys, done, err)
	}
	if _, err := s.run(canceled(t), hubOrder{Events: 8, Every: time.Minute}); err == nil {
		t.Error("an order goes on when nobody waits for it")
	}
}

func TestRealtimeResult(t *testing.T) {
	r := RealtimeResult{Connections: 10}
	for _, us := range []time.Duration{10, 12, 11} {
		r.floor.add(heard{lasts: time.Second, cpu: 100 * us * time.Microsecond, messages: 100, delivered: []time.Duration{time.Millisecond}})
		r.hub.add(heard{lasts: time.Second, cpu: 150 * us * time.Microsecond, messages: 100, delivered: []time.Duration{3 * time.Millisecond}})
	}
	l := &ledger{}
	r.merge(heard{lasts: 10 * time.Second, cpu: 22 * time.Millisecond, messages: 1000, wanted: 22_000, writes: 1100}, l)
	r.Flood.P99 = 1.5
	r.finish()
	var one strings.Builder
	only := r
	only.only = "idle,merged"
	if only.print(&one); !strings.Contains(one.String(), "idle") || !strings.Contains(one.String(), "merged") || strings.Contains(one.String(), "stalled") || strings.Contains(one.String(), "GOMAXPROCS") || strings.Contains(one.String(), "floor's") {
		t.Errorf("of two parts it says\n%s", one.String())
	}
	if r.FloorPerMessage != 11 || r.CPUPerMessage != 16.5 || r.OverFloor != 1.5 || r.P99OverFloor != 3 || r.Unsteady {
		t.Errorf("%+v", r)
	}
	if r.CPUPerEventMerged != 1 || r.Merged.Changes != 218 || r.Merged.Lossless != 2 || r.Merged.Messages != 10 || r.Merged.Writes != 11 || r.Merged.WritesMost != 12.1 {
		t.Errorf("%+v", r.Merged)
	}
	r.floor.add(heard{cpu: time.Second, messages: 1})
	if r.finish(); !r.Unsteady {
		t.Error("a floor that moves is steady")
	}
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{"unsteady", "not all sockets were full", "of at most 12.10", "1.50 x p99", "218 changes of 16 keys"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if median(nil) != 0 || median([]float64{3, 1}) != 2 || median([]float64{3, 1, 2}) != 2 {
		t.Error("that is no median")
	}
}
