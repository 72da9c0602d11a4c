package client

import (
	"bytes"
	"testing"
	"time"
)

// FuzzServer is what a server says, a message in each line: whatever it is, no
// version of a value falls but by a snapshot that does not know it, and the
// place to resume from does not fall within an epoch.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		`{"t":"joined","epoch":"e","o":3,"now":1,"resumed":false,"d":[{"t":"pin.set","k":"pin","v":3,"d":{}}],"s":[{"t":"chat.line","d":{"id":"lin_1"}}]}` + "\n" +
			`{"t":"tick","o":5,"d":[{"t":"stock.set","k":"a","v":5,"d":{"left":1}}]}` + "\n" + `{"t":"pin.set","k":"pin","v":4,"o":4,"d":null}`,
		`{"t":"pong","c":1,"r":2,"s":3}`, `{"t":"pong","s":"x"}`, `{"t":"me","v":9}`, `{"t":"reply","id":"a","error":{"code":"x"}}`,
		`{"t":"sample","d":[{"t":"hearts","d":{"count":3}}]}`, `{"t":"joined","resumed":true,"d":[],"s":[],"o":-1}`, `{}`, `null`, `[`, `{"t":"tick","d":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) > 64<<10 {
			return
		}
		c := New(Config{})
		for line := range bytes.Lines(said) {
			before, at, snapshots := c.All(), c.Position(), c.Stats().Snapshots
			if c.heard(line, time.UnixMilli(1000)) != nil {
				continue
			}
			if c.Stats().Snapshots != snapshots {
				continue
			}
			if now := c.Position(); now.Epoch == at.Epoch && now.Offset < at.Offset {
				t.Fatalf("the place went from %d to %d", at.Offset, now.Offset)
			}
			after := c.All()
			for key, old := range before {
				if now, known := after[key]; !known || now.Version > 0 && now.Version < old.Version {
					t.Fatalf("%v went from version %d to %d", key, old.Version, now.Version)
				}
			}
		}
	})
}
