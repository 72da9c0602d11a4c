//go:build !race

package lean

import (
	"bytes"
	"io"
	"runtime"
	"testing"
)

func TestStreamsWriteAllocsNothing(t *testing.T) {
	p := openStreams(t)
	conn, at := p.viewer()
	frame := bytes.Repeat([]byte{128}, 1200)
	heard := make([]byte, 10*(len(frame)+frameHeader))
	pass := func() {
		for range 10 {
			if !p.write(frame, at) {
				t.Fatal("no room")
			}
		}
		if _, err := io.ReadFull(conn, heard); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		pass()
	}
	runtime.GC() // what earlier tests left is not counted
	if n := testing.AllocsPerRun(200, pass); n > 0 {
		t.Errorf("%v allocations for a frame of ten packets", n)
	}
}
