package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load/sockets"
	"github.com/rialto-live/rialto/media/egress"
)

const (
	packetBytes  = 1200 // of RTP, header included, before it is encrypted
	headerBytes  = 12
	sealBytes    = 16
	framePackets = 5
	framesPerSec = 32 // 160 packets
	frameEvery   = time.Second / framesPerSec

	maxFloorWindow = 30 * time.Second
)

// floorOrder is what the parent asks of the floor: whom to send to, and for how long.
type floorOrder struct {
	Sinks  []uint16      `json:"sinks"` // UDP ports on loopback
	Window time.Duration `json:"window"`
}

// floorResult is what it cost.
type floorResult struct {
	GSO         bool    `json:"gso"`
	Packets     int     `json:"packets"`
	USPerPacket float64 `json:"us_per_packet"`
}

func newFloor() (*server, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /floor", func(w http.ResponseWriter, r *http.Request) {
		var order floorOrder
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		result, err := measureFloor(r.Context(), order)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(result)
	})
	return &server{handler: mux}, nil
}

// sink is one viewer's end of the floor: its address and its key.
type sink struct {
	to   netip.AddrPort
	seal cipher.AEAD
}

// measureFloor sends frames at the pace of the bench: AES-128-GCM over each packet with the viewer's own key, and as few
// system calls as media/egress needs for it. There is nothing in it that a relay could leave out.
func measureFloor(ctx context.Context, order floorOrder) (floorResult, error) {
	sinks, err := newSinks(order.Sinks)
	if err != nil {
		return floorResult{}, err
	}
	port, err := egress.Listen("127.0.0.1:0", 1)
	if err != nil {
		return floorResult{}, err
	}
	defer port.Close()
	f := &floor{out: port.Sockets()[0].NewOutlet(), plain: make([]byte, packetBytes)}
	before, err := cpuTime(os.Getpid())
	if err != nil {
		return floorResult{}, err
	}
	ticker := time.NewTicker(frameEvery)
	defer ticker.Stop()
	for end := time.Now().Add(min(order.Window, maxFloorWindow)); time.Now().Before(end) && ctx.Err() == nil; <-ticker.C {
		for i := range sinks {
			f.send(&sinks[i])
		}
		f.out.Flush()
	}
	after, err := cpuTime(os.Getpid())
	sent := port.Stats()
	if err != nil || sent.Packets == 0 || sent.Failed > 0 {
		return floorResult{}, errors.Join(err, ctx.Err(), fmt.Errorf("the floor sent %d packets, and %d did not go", sent.Packets, sent.Failed))
	}
	return floorResult{GSO: sent.GSO, Packets: int(sent.Packets), USPerPacket: micros(after-before) / float64(sent.Packets)}, nil
}

func newSinks(ports []uint16) ([]sink, error) {
	sinks := make([]sink, len(ports))
	for i, port := range ports {
		key := make([]byte, 16)
		_, _ = rand.Read(key) // it never fails
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		sinks[i] = sink{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port), gcm}
	}
	return sinks, nil
}

type floor struct {
	out   *egress.Outlet
	plain []byte
	nonce [12]byte
	count uint64
}

// send seals a frame.
func (f *floor) send(to *sink) {
	for range framePackets {
		f.count++
		binary.BigEndian.PutUint64(f.nonce[4:], f.count)
		b := append(f.out.Room(packetBytes+sealBytes), f.plain[:headerBytes]...)
		b = to.seal.Seal(b, f.nonce[:], f.plain[headerBytes:], f.plain[:headerBytes])
		f.out.Add(to.to, len(b))
	}
}

// drains are the parent's end of the floor: sockets that are read like those of viewers, and nothing more.
type drains struct {
	sockets []*sockets.Socket
	stop    context.CancelFunc
	group   sync.WaitGroup
}

func openDrains(n int) (*drains, error) {
	poller := sockets.New()
	ctx, stop := context.WithCancel(context.Background())
	d := &drains{stop: stop}
	d.group.Go(func() { poller.Run(ctx) })
	for range n {
		s, err := poller.Open(func([]byte, netip.AddrPort) {})
		if err != nil {
			d.close()
			return nil, err
		}
		d.sockets = append(d.sockets, s)
	}
	return d, nil
}

func (d *drains) ports() []uint16 {
	var ports []uint16
	for _, s := range d.sockets {
		ports = append(ports, s.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	}
	return ports
}

func (d *drains) close() {
	d.stop()
	d.group.Wait()
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
