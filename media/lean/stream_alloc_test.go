//go:build !race

package lean

import (
	"bytes"
	"io"
	"runtime"
	"sync"
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

// What a frame of ten packets costs for each of many viewers over TCP, their reading it included.
func BenchmarkStreamsWrite(b *testing.B) {
	const viewers = 64
	p := openStreams(b)
	frame := bytes.Repeat([]byte{128}, 1200)
	size := 10 * (len(frame) + frameHeader)
	heard := make(chan struct{}, viewers)
	var group sync.WaitGroup
	var to []path
	for range viewers {
		conn, at := p.viewer()
		to = append(to, at)
		group.Go(func() {
			all := make([]byte, size)
			for {
				if _, err := io.ReadFull(conn, all); err != nil {
					return
				}
				heard <- struct{}{}
			}
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, at := range to {
			for range 10 {
				if !p.write(frame, at) {
					b.Fatal("no room")
				}
			}
		}
		for range to {
			<-heard
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/viewers/10, "us/packet")
	p.stop()
	group.Wait()
}
