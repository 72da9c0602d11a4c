package bus

import (
	"strings"
	"testing"
)

// FuzzEntry is what stands in Redis, live and in a history, put there by
// whoever: what can be read comes out as it went in, and a feed gives each
// offset once and in order.
func FuzzEntry(f *testing.F) {
	const good = `{"t":"pin.set","k":"pin","v":7,"c":"lossless","id":"x","d":{"n":1}}`
	for _, seed := range []string{"e 1 " + good, "e 2 " + good, "f 1 " + good, "e -1 {}", "e 9223372036854775807 {}", "e x {}", "  ", "", "e 1 null", "e 1 " + good + "\ne 2 " + good} {
		f.Add(seed, "1-0")
	}
	f.Fuzz(func(t *testing.T, live, id string) {
		if len(live) > 64<<10 {
			return
		}
		asked := 0
		feed := newFeed("shw_1", sizes{history: 16, waiting: 8, casts: 4, ahead: 4}, func(*feed) { asked++ }, func(*feed) {})
		feed.merge(feed.question(), page{epoch: "e"})
		last := int64(0)
		for line := range strings.Lines(live) {
			epoch, m, err := parseLive(strings.TrimSuffix(line, "\n"))
			if err != nil {
				continue
			}
			text, err := encode(m.event)
			if err != nil {
				t.Fatalf("%q was read and cannot be written: %v", line, err)
			}
			again, err := parseEntry([]any{id, []any{"p", string(text)}})
			if err == nil && string(again.event.Data) != string(m.event.Data) && len(m.event.Data) > 0 {
				if other, _ := encode(again.event); string(other) != string(text) {
					t.Fatalf("%q became %q", text, other)
				}
			}
			feed.hear(epoch, m)
			for _, d := range feed.Take() {
				if d.Offset != last+1 {
					t.Fatalf("offset %d came behind %d", d.Offset, last)
				}
				last = d.Offset
			}
		}
	})
}
