package realtime

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// pair is a TCP connection.
func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// fillUp writes until c takes nothing more.
func fillUp(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	if err := rawOf(t, c).Write(func(fd uintptr) bool {
		for {
			if _, err := syscall.Write(int(fd), make([]byte, 1<<16)); err != nil {
				return true
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, c net.Conn) (fd int) {
	t.Helper()
	if err := rawOf(t, c).Control(func(n uintptr) { fd = int(n) }); err != nil {
		t.Fatal(err)
	}
	return fd
}

func rawOf(t *testing.T, c net.Conn) syscall.RawConn {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestReadiness: a socket is told of once for each time it is asked about, when
// it takes bytes; one that was closed is never told of, also when its
// descriptor has become another's.
func TestReadiness(t *testing.T) {
	queue, err := newReadiness(takesBytes)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan uint64, 10)
	done := make(chan struct{})
	go func() { defer close(done); queue.wait(func(id uint64) { told <- id }) }()
	t.Cleanup(func() { queue.close(); <-done })

	const gone, large, late = 7, 1<<63 + 9, 3
	near, _ := pair(t)
	fillUp(t, near)
	raw, fd := rawOf(t, near), number(t, near)
	if !queue.watch(raw, gone) {
		t.Fatal("not watched")
	}
	near.Close()
	if queue.watch(raw, late) {
		t.Error("a closed socket is watched")
	}
	again, far := pair(t)
	for tries := 0; number(t, again) != fd; tries++ { // whatever else of the program opens files may be quicker
		if tries == 100 {
			t.Fatalf("the descriptor %d does not come again", fd)
		}
		if again, far = far, again; number(t, again) == fd {
			break
		}
		again, far = pair(t)
	}
	fillUp(t, again)
	if !queue.watch(rawOf(t, again), large) {
		t.Fatal("not watched")
	}
	heard := func() {
		t.Helper()
		select {
		case id := <-told:
			if id != large {
				t.Fatalf("told of %d", id)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("told of nothing")
		}
	}
	for range 3 {
		_ = far.SetReadDeadline(time.Now().Add(time.Second))
		for buf := make([]byte, 1<<16); ; {
			if n, _ := far.Read(buf); n == 0 {
				break
			}
			_ = far.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		}
		heard()
		if !queue.watch(rawOf(t, again), large) { // takes bytes: told of at once
			t.Fatal("not watched again")
		}
		heard()
		if len(told) != 0 {
			t.Fatalf("told of %d, unasked", <-told)
		}
		fillUp(t, again)
		if !queue.watch(rawOf(t, again), large) {
			t.Fatal("not watched when full again")
		}
	}
}

// TestReadinessToRead: a socket is told of once for each time it is asked about,
// when something has come, when its other side says no more, and when it broke.
func TestReadinessToRead(t *testing.T) {
	queue, err := newReadiness(hasBytes)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan uint64, 10)
	done := make(chan struct{})
	go func() { defer close(done); queue.wait(func(id uint64) { told <- id }) }()
	t.Cleanup(func() { queue.close(); <-done })
	for i, happens := range []func(far net.Conn){
		func(far net.Conn) { _, _ = far.Write([]byte("x")) },
		func(far net.Conn) { _ = far.(*net.TCPConn).CloseWrite() },
		func(far net.Conn) { far.Close() },
		func(far net.Conn) { _ = far.(*net.TCPConn).SetLinger(0); far.Close() },
	} {
		near, far := pair(t)
		for _, id := range []uint64{uint64(2*i + 1), uint64(2*i + 2)} { // the second finds it as it is
			if !queue.watch(rawOf(t, near), id) {
				t.Fatal("not watched")
			}
			if id%2 == 1 {
				happens(far)
			}
			select {
			case got := <-told:
				if got != id {
					t.Fatalf("told of %d, not of %d", got, id)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("told of nothing when %d happened", i)
			}
		}
	}
	if len(told) != 0 {
		t.Fatalf("told of %d, unasked", <-told)
	}
}
