package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rialto-live/rialto/cmd/rialto/load/frames"
)

// rawWrite is the floor of a hub: sockets that went through the same upgrade, and for each event one bare write to each.
// What does not fit is not kept: whoever did not read in time has lost it, and the bench says so.
type rawWrite struct {
	mu      sync.Mutex // guards what follows; held while an event is written
	sockets []int
	err     error
}

// newRawWrite is the floor as a child.
func newRawWrite() (*server, error) {
	r := &rawWrite{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", r.upgrade)
	mux.Handle("POST /publish", &sayer{say: r.say})
	return &server{handler: mux, run: []func(context.Context) error{r.run}}, nil
}

// run waits, and gives the sockets back.
func (r *rawWrite) run(ctx context.Context) error {
	<-ctx.Done()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fd := range r.sockets {
		_ = unix.Close(fd)
	}
	r.sockets = nil
	return nil
}

// upgrade keeps nothing of a client but the number of its socket.
func (r *rawWrite) upgrade(w http.ResponseWriter, q *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(headerWithin))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		frames.Accept(q.Header.Get("Sec-WebSocket-Key")))
	if err := skipHello(rw.Reader); err != nil {
		return // a client that is gone
	}
	joined := []byte(`{"t":"joined"}`)
	if _, err := conn.Write(append([]byte{0x81, byte(len(joined))}, joined...)); err != nil {
		return
	}
	fd, err := duplicate(conn)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.err = errors.Join(r.err, err)
		return
	}
	r.sockets = append(r.sockets, fd)
}

// skipHello reads the client's first frame, whose length is in one byte.
func skipHello(from *bufio.Reader) error {
	head := make([]byte, 6) // with the mask
	if _, err := io.ReadFull(from, head); err != nil {
		return err
	}
	_, err := from.Discard(int(head[1] & 0x7f))
	return err
}

// duplicate is a socket that the runtime knows nothing of.
func duplicate(conn net.Conn) (fd int, err error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0, fmt.Errorf("a connection of type %T", conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlled := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, controlled)
}

// say writes one event to everybody.
func (r *rawWrite) say(_ context.Context, e event, version int64, size int) error {
	if e.key != losslessKey {
		return errors.New("the floor knows no latest values")
	}
	b := e.frame(version, size)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, fd := range r.sockets {
		writeOnce(fd, b)
	}
	return r.err
}

// writeOnce is one write(2) of a socket that does not block, past the runtime's bookkeeping too.
func writeOnce(fd int, b []byte) {
	// What is not taken is missed by the bench.
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
}
