package ws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/client"
)

// wireWitness is a viewer that stays and looks at the frames themselves, where
// no client can have hidden that one came twice.
type wireWitness struct {
	storm *storm
	conn  *websocket.Conn
	done  chan struct{}

	// owned by read until done is closed
	offset int64
	last   map[client.Key]int64 // of all classes: the version that the data is of
	count  int
	faults []string
}

type wireFrame struct {
	realtime.Event
	Offset  *int64 `json:"o"`
	Resumed bool   `json:"resumed"`
}

func (s *storm) watchWire(n *node) *wireWitness {
	s.t.Helper()
	w := &wireWitness{storm: s, conn: n.dial(nil), done: make(chan struct{}), last: map[client.Key]int64{}}
	send(s.t, w.conn, `{"t":"join","room":"shw_1"}`)
	go func() { defer close(w.done); w.read() }()
	s.t.Cleanup(func() { w.conn.Close(); <-w.done })
	return w
}

func (w *wireWitness) read() {
	for {
		var f wireFrame
		if err := w.conn.ReadJSON(&f); errors.Is(err, net.ErrClosed) {
			return
		} else if err != nil {
			w.fault("the line ended: %v", err)
			return
		}
		w.count++
		w.look(f)
	}
}

func (w *wireWitness) fault(format string, args ...any) {
	if len(w.faults) < 5 {
		w.faults = append(w.faults, "on the wire: "+fmt.Sprintf(format, args...))
	}
}

func (w *wireWitness) look(f wireFrame) {
	var list []realtime.Event
	switch f.Type {
	case "sample", "pong", "me":
		if f.Offset != nil {
			w.fault("%s has an offset", f.Type)
		}
		return
	case "joined", "tick":
		if err := json.Unmarshal(f.Data, &list); err != nil || f.Offset == nil {
			w.fault("%s with offset %v: %v", f.Type, f.Offset, err)
			return
		}
	default:
		if f.Offset == nil || *f.Offset <= w.offset {
			w.fault("%s behind offset %d", f.Type, w.offset)
			return
		}
		list = []realtime.Event{f.Event}
	}
	if f.Type == "joined" {
		w.replace(*f.Offset, list)
		return
	}
	if *f.Offset < w.offset {
		w.fault("%s goes back from offset %d to %d", f.Type, w.offset, *f.Offset)
	}
	w.offset = *f.Offset
	for _, e := range list {
		if e.Version > 0 {
			w.follow(f.Type, e)
		}
	}
}

func (w *wireWitness) replace(offset int64, list []realtime.Event) {
	before := maps.Clone(w.last)
	clear(w.last)
	w.offset = offset
	for _, e := range list {
		if e.Version == 0 {
			continue
		}
		key, now := client.Key{Type: e.Type, Key: e.Key}, numberIn(e.Data)
		if now < before[key] {
			w.fault("%v went from %d to %d with a snapshot", key, before[key], now)
		}
		w.last[key] = now
	}
}

func (w *wireWitness) follow(frame string, e realtime.Event) {
	key, now := client.Key{Type: e.Type, Key: e.Key}, numberIn(e.Data)
	last := w.last[key]
	w.last[key] = now
	switch {
	case e.Type == "stock.set":
		if now < last { // what waited for a tick while somebody joined is in its snapshot too
			w.fault("%v went from %d to %d", key, last, now)
		}
	case frame == "tick":
		w.fault("%v came in a tick", key)
	default:
		if wrong := w.storm.follows(last, now); wrong != "" {
			w.fault("%v: %s", key, wrong)
		}
	}
}

// end closes the line and compares what it brought with the truth.
func (w *wireWitness) end(truth *show) []string {
	w.conn.Close()
	<-w.done
	truth.mu.Lock()
	defer truth.mu.Unlock()
	for key, want := range truth.state {
		if got := w.last[key]; got != numberIn(want.Data) {
			w.fault("%v is %d, want %s", key, got, want.Data)
		}
	}
	if w.count == 0 {
		w.fault("nothing came")
	}
	return w.faults
}
