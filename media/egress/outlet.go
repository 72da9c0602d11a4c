package egress

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Outlet gathers packets and sends many in one system call. It belongs to one goroutine, and allocates nothing after
// NewOutlet as long as its port is open. Its memory, about 300 KB, is freed with it; there is nothing to close.
//
// The kernel reads that memory through pointers that stand in it: a header points to its address, its piece of the arena
// and its control message. All of them are Go pointers to slices that the Outlet holds and that are never replaced, so the
// collector keeps what they point to, and memory on Go's heap does not move. The kernel keeps none of them when a call has
// returned: sendmmsg copies.
type Outlet struct {
	// static after NewOutlet
	socket   *Socket
	most     int // messages of one system call
	call     func(fd uintptr)
	sendmmsg func(fd uintptr, messages []unix.Mmsghdr) (int, syscall.Errno)
	arena    []byte
	headers  []unix.Mmsghdr // of message i, and so the three that follow
	pieces   []unix.Iovec
	names    []unix.RawSockaddrInet6 // or RawSockaddrInet4, which is shorter
	controls []control
	single   singles

	// what is to be sent
	runs []run // one a message
	used int   // bytes of the arena
	cuts bool  // whether packets may share a message

	// of one Flush, but for stuck
	at       int // the next message
	packets  uint64
	messages uint64
	failed   uint64
	deadline time.Time // of waiting; zero: there was nothing to wait for
	stuck    bool      // waiting was in vain, and nothing was taken since
	poll     [1]unix.PollFd

	zone      string // of the last address that had one
	zoneIndex uint32
}

// run is what one message carries: packets of equal size to one address, the last of them perhaps shorter.
type run struct {
	to      netip.AddrPort
	start   int // in the arena
	size    int // of each packet
	bytes   int
	packets int
	ended   bool // its last packet is shorter, or it leaves by itself
}

// control is the control message that has the kernel cut a message into packets (UDP_SEGMENT in udp(7)).
type control struct {
	unix.Cmsghdr
	size uint16
	_    [6]byte
}

// singles is what the packets of one run are sent with when the kernel does not cut it.
type singles struct {
	headers [maxSegments]unix.Mmsghdr
	pieces  [maxSegments]unix.Iovec
}

// NewOutlet makes an Outlet that sends through this socket.
func (s *Socket) NewOutlet() *Outlet { return newOutlet(s, batch) }

func newOutlet(s *Socket, most int) *Outlet {
	o := &Outlet{
		socket: s, most: most, cuts: s.cuts(), sendmmsg: sendmmsg,
		arena:    make([]byte, arenaSize),
		headers:  make([]unix.Mmsghdr, most),
		pieces:   make([]unix.Iovec, most),
		names:    make([]unix.RawSockaddrInet6, most),
		controls: make([]control, most),
		runs:     make([]run, 0, most),
	}
	o.call = o.send
	namelen := uint32(unix.SizeofSockaddrInet4)
	if s.inet6 {
		namelen = unix.SizeofSockaddrInet6
	}
	for i := range o.headers {
		h, c := &o.headers[i].Hdr, &o.controls[i]
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&o.names[i])), namelen
		h.Iov = &o.pieces[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(c)) // its length is set when it is used
		c.Level, c.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
	}
	for i := range o.single.headers {
		h := &o.single.headers[i].Hdr
		h.Namelen = namelen
		h.Iov = &o.single.pieces[i]
		h.SetIovlen(1)
	}
	return o
}

// Room is where the next packet is to be written: an empty slice whose capacity is at least n, of up to 64 KB. When there
// is no room left, everything gathered is sent first. What an earlier Room returned is not valid any more.
func (o *Outlet) Room(n int) []byte {
	if n > len(o.arena)-o.used {
		o.Flush()
	}
	_ = o.arena[o.used : o.used+n] // more than there is would be written elsewhere by append, and never sent
	return o.arena[o.used:o.used:len(o.arena)]
}

// Add takes the n bytes just written in Room as one packet for an address. When a system call is full, everything gathered
// before it is sent. An address that cannot be sent to is counted as a failure.
func (o *Outlet) Add(to netip.AddrPort, n int) {
	if n <= 0 {
		return
	}
	if last := len(o.runs) - 1; last >= 0 && o.runs[last].takes(to, n) {
		o.extend(last, n)
		return
	}
	addr := to.Addr().Unmap()
	if to.Port() == 0 || !addr.IsValid() || addr.IsUnspecified() || !addr.Is4() && !o.socket.inet6 {
		o.socket.failed.Add(1)
		return
	}
	if len(o.runs) == o.most {
		at := o.used
		o.Flush()
		copy(o.arena, o.arena[at:at+n])
	}
	i := len(o.runs)
	o.runs = append(o.runs, run{to: to, start: o.used, size: n, bytes: n, packets: 1, ended: !o.cuts})
	o.address(i, addr, to.Port())
	o.pieces[i].Base = &o.arena[o.used]
	o.pieces[i].SetLen(n)
	o.headers[i].Hdr.SetControllen(0)
	o.used += n
}

// takes says whether a packet may be the next of this run.
func (r *run) takes(to netip.AddrPort, n int) bool {
	return !r.ended && n <= r.size && r.packets < maxSegments && r.bytes+n <= maxMessage && r.to == to
}

func (o *Outlet) extend(i, n int) {
	r := &o.runs[i]
	r.packets++
	r.bytes += n
	r.ended = n < r.size
	o.used += n
	o.pieces[i].SetLen(r.bytes)
	if r.packets == 2 {
		o.controls[i].size = uint16(r.size)
		o.headers[i].Hdr.SetControllen(int(unsafe.Sizeof(control{})))
	}
}

func (o *Outlet) address(i int, addr netip.Addr, port uint16) {
	if !o.socket.inet6 {
		name := (*unix.RawSockaddrInet4)(unsafe.Pointer(&o.names[i]))
		name.Family, name.Addr = unix.AF_INET, addr.As4()
		putPort(&name.Port, port)
		return
	}
	name := &o.names[i]
	name.Family, name.Addr, name.Scope_id = unix.AF_INET6, addr.As16(), o.scope(addr.Zone())
	putPort(&name.Port, port)
}

// putPort writes a port in network order.
func putPort(to *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(to))[:], port)
}

// scope is the number of the interface of a link-local address. Nearly none has one, so only the last is remembered.
func (o *Outlet) scope(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if zone != o.zone {
		o.zone, o.zoneIndex = zone, 0
		if i, err := net.InterfaceByName(zone); err == nil {
			o.zoneIndex = uint32(i.Index)
		}
	}
	return o.zoneIndex
}
