package bench

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load"
	"github.com/rialto-live/rialto/media/egress"
)

func TestOptions(t *testing.T) {
	good := Options{Viewers: MaxViewers, Seconds: MaxSeconds, Rounds: MaxRounds}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	err := Options{Viewers: MaxViewers + 1, Seconds: MaxSeconds + 1}.Validate()
	for _, want := range []string{"--viewers is 1 to 2000, not 2001", "--seconds is 1 to 120, not 121", "--rounds is 1 to 5, not 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
	if err := Media(t.Context(), Options{}, io.Discard); err == nil {
		t.Error("Media takes what is not valid")
	}
}

// A frame becomes five packets however long a descriptor the codec puts before each, and every one of them tells when
// it was made.
func TestSourceIsReadFromAnyPacket(t *testing.T) {
	s := newSource(t.Context())
	video, audio := 0, 0
	for range 40 {
		sample, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !sample.Video {
			audio++
			if _, ok := read(sample.Data); !ok || len(sample.Data) != audioBytes {
				t.Fatalf("sound %d is not read", audio)
			}
			continue
		}
		if key := sample.Data[0]&1 == 0; key != (video == 0 || video == 5) || key != sample.Keyframe {
			t.Errorf("frame %d: keyframe %v", video, key)
		}
		if video++; video == 5 {
			s.RequestKeyframe()
		}
		for _, descriptor := range []int{1, 3, 4} {
			packets := slices.Collect(slices.Chunk(sample.Data, packetBytes-headerBytes-descriptor))
			if len(packets) != framePackets {
				t.Fatalf("%d packets with a descriptor of %d", len(packets), descriptor)
			}
			for i, p := range packets {
				made, ok := read(append(make([]byte, descriptor), p...))
				if age := time.Since(clock) - made; !ok || age < 0 || age > time.Minute {
					t.Fatalf("packet %d: %v, %v", i, made, ok)
				}
			}
		}
	}
	if video < 10 || audio < 10 {
		t.Errorf("%d frames, %d of sound", video, audio)
	}
}

func TestSourceFallsSilentAndEnds(t *testing.T) {
	s := newSource(t.Context())
	s.deaf.Store(true)
	for range 10 {
		if sample, err := s.Next(); err != nil || !sample.Video {
			t.Fatalf("%v, video %v", err, sample.Video)
		}
	}
	over := newSource(canceled(t))
	over.nextVideo, over.nextAudio = time.Hour, time.Hour
	if _, err := over.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("it ends with %v", err)
	}
}

func TestChangedContentIsSeen(t *testing.T) {
	whole := fill(make([]byte, 1000), 10, 7)
	if _, ok := read(whole); !ok {
		t.Fatal("what was written is not read")
	}
	for _, at := range []int{10, 20, 30, 41, 500} {
		b := slices.Clone(whole)
		b[at] ^= 1
		if _, ok := read(b); ok && at != 10 { // without its first mark, the first record is taken for a part of what was before
			t.Errorf("a change at %d is not seen", at)
		}
	}
	swapped := slices.Clone(whole)
	copy(swapped[42:], whole[74:106])
	if _, ok := read(swapped); ok {
		t.Error("a record in another's place is not seen")
	}
	for _, b := range [][]byte{nil, make([]byte, 1200), whole[:30], append(make([]byte, 200), whole...)} {
		if _, ok := read(b); ok {
			t.Errorf("%d bytes of something else are read", len(b))
		}
	}
}

func TestProcessorTimeAndMemoryOfThisProcess(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil || before <= 0 {
		t.Fatalf("%v, %v", before, err)
	}
	for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
	}
	if after, err := cpuTime(os.Getpid()); err != nil || after <= before {
		t.Errorf("%v after %v, %v", after, before, err)
	}
	if bytes, err := resident(os.Getpid()); err != nil || bytes < 1<<20 {
		t.Errorf("%d bytes, %v", bytes, err)
	}
	const nobody = 1 << 22 // above every process number
	if _, err := cpuTime(nobody); err == nil {
		t.Error("a process that is not there has used time")
	}
	if _, err := resident(nobody); err == nil {
		t.Error("a process that is not there has memory")
	}
}

// The floor sends what it says; how fast is not asked. It works without GSO too.
func TestFloorSendsToEverySink(t *testing.T) {
	sinks, err := openDrains(3)
	if err != nil {
		t.Fatal(err)
	}
	defer sinks.close()
	f, err := measureFloor(t.Context(), floorOrder{Sinks: sinks.ports(), Window: 100 * time.Millisecond})
	if err != nil || f.Packets < 3*framePackets || f.Packets%(3*framePackets) != 0 || f.USPerPacket <= 0 {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := measureFloor(t.Context(), floorOrder{}); err == nil {
		t.Error("it sends to nobody")
	}
}

func TestFloorPackets(t *testing.T) {
	receiver := socket(t)
	to, err := newSinks([]uint16{receiver.LocalAddr().(*net.UDPAddr).AddrPort().Port()})
	if err != nil {
		t.Fatal(err)
	}
	port, err := egress.Listen("127.0.0.1:0", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	f := &floor{out: port.Sockets()[0].NewOutlet(), plain: bytes.Repeat([]byte{7}, packetBytes)}
	f.send(&to[0])
	f.out.Flush()
	if stats := port.Stats(); stats.Packets != framePackets || stats.GSO && stats.Messages != 1 {
		t.Errorf("%+v", stats)
	}
	for n := range framePackets {
		b := make([]byte, 2048)
		_ = receiver.SetReadDeadline(time.Now().Add(10 * time.Second)) // a UDP socket takes any
		size, _, err := receiver.ReadFromUDPAddrPort(b)
		if err != nil || size != packetBytes+sealBytes {
			t.Fatalf("a packet of %d bytes, %v", size, err)
		}
		binary.BigEndian.PutUint64(f.nonce[4:], uint64(n+1))
		plain, err := to[0].seal.Open(nil, f.nonce[:], b[headerBytes:size], b[:headerBytes])
		if err != nil || len(plain) != packetBytes-headerBytes {
			t.Errorf("packet %d opens to %d bytes: %v", n, len(plain), err)
		}
	}
}

// What each window costs is taken apart as doc.go says.
func TestCosts(t *testing.T) {
	second := time.Second
	m := measured{
		viewers: 10, memory: 10 * 100 << 10, goroutines: 130, stats: load.Stats{Joined: 10},
		picture: span{lasts: second, cpu: 28 * time.Millisecond, video: 1600},
		full:    span{lasts: second, cpu: 30 * time.Millisecond, video: 1600, audio: 500}, // 2 ms for sound: 4 us each
		joining: span{lasts: second, cpu: 40 * time.Millisecond, video: 800, audio: 250},  // 15 ms of it was sending
	}
	c := m.costs()
	if round(c.audio) != 4 || round(c.video) != 17.5 || round(c.join) != 2.5 || c.kb != 100 {
		t.Errorf("%+v", c)
	}
	if none := (measured{}).costs(); none != (costs{}) {
		t.Errorf("nothing costs %+v", none)
	}
	static := m
	static.viewers = 5
	r := result(floorResult{GSO: true, USPerPacket: 2.5}, m, []measured{static, static}, []measured{m})
	if r.Void || r.StaticPerPacket != 17.5 || r.BesidePerPacket != 17.5 || r.BaselineViewers != 5 || r.GoroutinesPerViewer != 13 || r.CoreBusy != 0.03 {
		t.Errorf("%+v", r)
	}
	for _, f := range []floorResult{{GSO: true, USPerPacket: 2.51}, {GSO: false, USPerPacket: 1}} {
		r := result(f, m, nil, nil)
		var out strings.Builder
		r.print(&out)
		if !r.Void || !strings.Contains(out.String(), "void: ") {
			t.Errorf("a floor of %+v is taken:\n%s", f, out.String())
		}
	}
	r.Playing = 7
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{"2.50 us a packet", "7.00 x the floor", "3 viewers have no picture"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
