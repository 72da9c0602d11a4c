package egress

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flush sends all that was added. When the way is full it waits, at most maxWait in all; when it waited in vain, not
// again before the kernel has taken something. Packets that did not go are lost and counted. After Port.Close none goes.
func (o *Outlet) Flush() {
	if len(o.runs) == 0 {
		return
	}
	o.at, o.messages, o.packets, o.failed, o.deadline = 0, 0, 0, 0, time.Time{}
	// Control rather than Write: it keeps the socket open during the call, but holds up nobody who answers a check through
	// it meanwhile, and other outlets send at the same time. An error says that the socket is closed.
	_ = o.socket.raw.Control(o.call)
	for _, r := range o.runs[o.at:] {
		o.failed += uint64(r.packets)
	}
	s := o.socket
	s.messages.Add(o.messages)
	s.packets.Add(o.packets)
	if o.failed > 0 {
		s.failed.Add(o.failed)
		o.zone = "" // its interface may have got another number
	}
	o.runs, o.used, o.cuts = o.runs[:0], 0, s.cuts()
}

// send hands over every message, up to the end or until the way is full.
func (o *Outlet) send(fd uintptr) {
	for o.at < len(o.runs) {
		n, errno := o.push(fd, o.headers[o.at:len(o.runs)])
		for range n {
			r := &o.runs[o.at]
			o.packets += uint64(r.packets)
			if r.packets > 1 {
				o.socket.cut()
			}
			o.at++
		}
		o.messages += uint64(n)
		if errno == 0 || errno == unix.EAGAIN {
			return
		}
		r := &o.runs[o.at]
		if r.packets > 1 && refusesCut(errno) {
			o.sendSingly(fd, r, errno)
		} else {
			o.failed += uint64(r.packets)
		}
		o.at++
	}
}

// push hands messages to the kernel until all are taken or one is refused, and says how many were taken and why the next
// was not. EAGAIN: the way is full, and waiting did not help.
func (o *Outlet) push(fd uintptr, messages []unix.Mmsghdr) (int, syscall.Errno) {
	sent := 0
	for sent < len(messages) {
		// When it has sent some, the kernel keeps the error of the next to itself: it comes up in the next call.
		n, errno := o.sendmmsg(fd, messages[sent:])
		switch {
		case errno == 0 && n > 0:
			sent += n
			o.stuck = false
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			if !o.wait(fd) {
				return sent, errno
			}
		default:
			return sent, errno
		}
	}
	return sent, 0
}

// refusesCut says whether an error may mean that a message cannot be cut, while its packets can be sent: EINVAL without
// checksums, and before Linux 6.14 also for a path too narrow, which is EMSGSIZE now; EIO where the device or IPsec do not
// allow it. An address that is refused gives EINVAL as well.
func refusesCut(errno syscall.Errno) bool {
	return errno == unix.EINVAL || errno == unix.EMSGSIZE || errno == unix.EIO || errno == unix.ENOPROTOOPT
}

// sendSingly sends the packets of the message at o.at one by one. Only if some of them go was it the cutting.
func (o *Outlet) sendSingly(fd uintptr, r *run, refusal syscall.Errno) {
	name := o.headers[o.at].Hdr.Name
	for i := range r.packets {
		at := i * r.size
		piece := &o.single.pieces[i]
		piece.Base = &o.arena[r.start+at]
		piece.SetLen(min(r.size, r.bytes-at))
		o.single.headers[i].Hdr.Name = name
	}
	left, gone := o.single.headers[:r.packets], 0
	for len(left) > 0 {
		n, errno := o.push(fd, left)
		gone += n
		left = left[n:]
		if errno == 0 || errno == unix.EAGAIN {
			break
		}
		left = left[1:]
	}
	o.messages += uint64(gone)
	o.packets += uint64(gone)
	o.failed += uint64(r.packets - gone)
	if gone > 0 {
		o.socket.refused(refusal)
	}
}

// wait sleeps until the socket takes more; false: not any longer.
func (o *Outlet) wait(fd uintptr) bool {
	if o.stuck {
		return false
	}
	now := time.Now()
	if o.deadline.IsZero() {
		o.deadline = now.Add(maxWait)
	}
	left := o.deadline.Sub(now)
	if left <= 0 {
		o.stuck = true
		return false
	}
	// Not by the deadline of the connection: that is one for all who write to it. What poll returns does not matter, as
	// the next call says the same.
	o.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
	_, _ = unix.Poll(o.poll[:], int(left.Milliseconds())+1)
	return true
}

func sendmmsg(fd uintptr, messages []unix.Mmsghdr) (int, syscall.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)),
		unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}
