package realtime

import "runtime"

// Nearly all viewers say nothing nearly all the time. What reads their sockets
// rests meanwhile: there is a place in the kernel's list for it and no goroutine.

// Hearable is a Socket that can tell when something has come. A viewer on any
// other costs a goroutine that reads.
type Hearable interface {
	Socket
	// Listen has p.Heard(id) called once, when there is something to read, also
	// if there is already, or an end. It returns false if it cannot tell. It must
	// not call Heard itself: the caller holds a lock that Heard needs.
	Listen(p *Poller, id uint64) bool
}

// Rest lets the goroutine that reads the socket end. Hub.Go or Rest must have
// started it, and it must hold no byte that it has not dealt with. later goes on
// in a goroutine of its own, once, for which the hub waits: when something has
// come, when the viewer is gone, or when it is being closed. After true the caller
// touches nothing of the viewer any more. After false it reads on: the socket
// cannot tell, or the viewer is being closed.
func (c *Conn) Rest(later func()) bool {
	sock, ok := c.sock.(Hearable)
	if !ok {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != open {
		return false
	}
	c.hub.tasks.Add(1) // not the first: the caller is one
	c.rest = later
	if !sock.Listen(c.hub.poller, c.id) {
		c.rest = nil
		c.hub.tasks.Done()
		return false
	}
	c.hub.metrics.resting.Inc()
	return true
}

// rouse has somebody read the socket again. Whoever closes a socket, or gives
// reading a deadline, must call it, for neither is told by the kernel. It needs mu.
func (c *Conn) rouse() {
	later := c.rest
	if later == nil {
		return
	}
	c.rest = nil
	c.hub.metrics.resting.Dec()
	go func() {
		defer c.hub.tasks.Done()
		roomy()
		later()
	}()
}

// callStack is how much of a stack a call takes, and a little more.
const callStack = 6 << 10

// roomy makes the stack of a goroutine that has just begun as large as a call
// needs it. It would grow in steps on the way otherwise, and each time all that
// stands on it would be moved, which costs more than most calls.
//
//go:noinline
func roomy() {
	var space [callStack]byte
	runtime.KeepAlive(&space)
}
