package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rialto-live/rialto/cmd/rialto/load/sockets"
)

const (
	packetBytes  = 1200 // of RTP, header included, before it is encrypted
	headerBytes  = 12
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

// measureFloor sends frames at the pace of the bench: AES-128-GCM over each packet with the viewer's own key, and one
// system call a frame where the kernel cuts it into packets (UDP GSO), else one a packet.
func measureFloor(ctx context.Context, order floorOrder) (floorResult, error) {
	sinks, err := newSinks(order.Sinks)
	if err != nil {
		return floorResult{}, err
	}
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return floorResult{}, err
	}
	defer conn.Close()
	f := &floor{conn: conn, plain: make([]byte, packetBytes), out: make([]byte, 0, framePackets*(packetBytes+16))}
	f.control = segmentSize(packetBytes + 16)
	if err := f.try(sinks); err != nil {
		return floorResult{}, err
	}
	before, err := cpuTime(os.Getpid())
	if err != nil {
		return floorResult{}, err
	}
	packets := 0
	ticker := time.NewTicker(frameEvery)
	defer ticker.Stop()
	for end := time.Now().Add(min(order.Window, maxFloorWindow)); time.Now().Before(end) && ctx.Err() == nil; <-ticker.C {
		for i := range sinks {
			if err := f.send(&sinks[i]); err != nil {
				return floorResult{}, err
			}
		}
		packets += framePackets * len(sinks)
	}
	after, err := cpuTime(os.Getpid())
	if err != nil || packets == 0 {
		return floorResult{}, errors.Join(err, ctx.Err(), errors.New("the floor sent nothing"))
	}
	return floorResult{GSO: f.control != nil, Packets: packets, USPerPacket: micros(after-before) / float64(packets)}, nil
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
	conn    *net.UDPConn
	plain   []byte
	out     []byte
	control []byte // nil: no GSO
	nonce   [12]byte
	count   uint64
}

// try finds out whether the kernel cuts.
func (f *floor) try(sinks []sink) error {
	if len(sinks) == 0 {
		return errors.New("the floor has nobody to send to")
	}
	err := f.send(&sinks[0])
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOPROTOOPT) {
		f.control = nil
		return f.send(&sinks[0])
	}
	return err
}

func (f *floor) send(to *sink) error {
	f.out = f.out[:0]
	for range framePackets {
		f.count++
		binary.BigEndian.PutUint64(f.nonce[4:], f.count)
		f.out = append(f.out, f.plain[:headerBytes]...)
		f.out = to.seal.Seal(f.out, f.nonce[:], f.plain[headerBytes:], f.plain[:headerBytes])
	}
	if f.control != nil {
		_, _, err := f.conn.WriteMsgUDPAddrPort(f.out, f.control, to.to)
		return err
	}
	for b := f.out; len(b) > 0; b = b[packetBytes+16:] {
		if _, err := f.conn.WriteToUDPAddrPort(b[:packetBytes+16], to.to); err != nil {
			return err
		}
	}
	return nil
}

// segmentSize is the control message that has the kernel cut what is sent.
func segmentSize(size uint16) []byte {
	b := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(b[unix.CmsgLen(0):], size)
	return b
}

// drains are the parent's end of the floor: sockets that are read like those of viewers, and nothing more.
type drains struct {
	sockets []*sockets.Socket
	stop    context.CancelFunc
	group   sync.WaitGroup
}

func openDrains(n int) (*drains, error) {
	poller, err := sockets.New()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	d := &drains{stop: stop}
	d.group.Go(func() { _ = poller.Run(ctx) }) // what is not read is dropped by the kernel, and costs the sender less
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
