package lean

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
)

// These tests run in bubbles: time passes when all wait, and a goroutine that is left behind fails the test.

// fate says how often a datagram arrives.
type fate func(up bool, n int, b []byte) int

// lossy puts a network between client and server. Datagrams are counted each way.
func (p *pair) lossy(f fate) {
	var mu sync.Mutex
	var n [2]int
	pass := func(up int, b []byte, deliver func([]byte)) {
		mu.Lock()
		times := f(up == 1, n[up], b)
		n[up]++
		mu.Unlock()
		for range times {
			deliver(b)
		}
	}
	up, down := p.wire.up, p.wire.down
	p.wire.up = func(b []byte) { pass(1, b, up) }
	p.wire.down = func(b []byte) { pass(0, b, down) }
}

// shakeOver shakes hands over such a network, in a bubble.
func shakeOver(t *testing.T, name string, f fate, more ...dtls.ClientOption) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			own := newCertificate(t)
			p := newPair(t, fingerprintOf(own))
			p.lossy(f)
			p.shake(t.Context(), t, clientOptions(own, more...)...)
			converse(t, p.finish(t))
		})
	})
}

func TestEveryDatagramMayBeLost(t *testing.T) {
	for _, mtu := range []int{1200, 150} { // the second cuts a certificate into fragments
		for n := range 4 {
			for _, way := range []string{"client's", "server's"} {
				shakeOver(t, fmt.Sprintf("%s %d of mtu %d", way, n, mtu), func(up bool, i int, _ []byte) int {
					if i == n && up == (way == "client's") {
						return 0
					}
					return 1
				}, dtls.WithMTU(mtu))
			}
		}
	}
}

func TestEveryDatagramMayComeTwice(t *testing.T) {
	shakeOver(t, "twice", func(bool, int, []byte) int { return 2 })
	shakeOver(t, "fragments", func(bool, int, []byte) int { return 3 }, dtls.WithMTU(150))
}

func TestHandshakeOverABadNetwork(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 0))
		shakeOver(t, fmt.Sprint(seed), func(bool, int, []byte) int { return min(r.IntN(5), 1) }, dtls.WithMTU(100+r.IntN(1100)))
	}
}

func TestDatagramsMayOvertakeEachOther(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			own := newCertificate(t)
			p := newPair(t, fingerprintOf(own))
			var wg sync.WaitGroup
			var mu sync.Mutex
			later := func(deliver func([]byte)) func([]byte) {
				return func(b []byte) {
					b = bytes.Clone(b)
					mu.Lock()
					after := time.Duration(r.IntN(40)) * time.Millisecond
					mu.Unlock()
					wg.Go(func() { time.Sleep(after); deliver(b) })
				}
			}
			p.wire.up, p.wire.down = later(p.wire.up), later(p.wire.down)
			p.shake(t.Context(), t, clientOptions(own, dtls.WithMTU(150))...)
			converse(t, p.finish(t))
			wg.Wait()
		})
	}
}

// TestForgedDatagramsEndNothing has somebody who knows the addresses send along with the client.
func TestForgedDatagramsEndNothing(t *testing.T) {
	header := func(kind byte, epoch byte, body ...byte) []byte {
		return append([]byte{kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0xff, 0, 0, byte(len(body))}, body...)
	}
	empty := make([]byte, 8)
	for name, forged := range map[string][]byte{
		"fatal alert": header(21, 0, 2, 40), "close": header(21, 0, 1, 0), "sealed alert": header(21, 1, make([]byte, 30)...),
		"data": header(23, 0, 1, 2, 3), "sealed data": header(23, 1, make([]byte, 30)...), "unknown kind": header(63, 0, 1),
		"empty fragment":      header(22, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0),
		"fragment of a giant": header(22, 0, append([]byte{1, 0xff, 0xff, 0xff, 0, 9, 0, 0, 0, 0, 0, 8}, empty...)...),
		"server's message":    header(22, 0, append([]byte{2, 0, 0, 8, 0, 1, 0, 0, 0, 0, 0, 8}, empty...)...),
		"change of cipher":    header(20, 0, 1), "bad change of cipher": header(20, 0, 2), "later epoch": header(22, 9, 1),
		"noise": []byte("GET / HTTP/1.1\r\n"), "one byte": {22}, "cut off": header(22, 0, empty...)[:15],
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				own := newCertificate(t)
				p := newPair(t, fingerprintOf(own))
				p.h.take(forged) // before run as well
				up := p.wire.up
				p.wire.up = func(b []byte) { p.h.take(forged); up(b); p.h.take(forged) }
				p.shake(t.Context(), t, clientOptions(own)...)
				converse(t, p.finish(t))
				p.h.take(forged)
				if len(p.h.in.datagrams) != 0 {
					t.Error("something is kept after the end")
				}
			})
		})
	}
}

func TestSilentClientIsGivenUp(t *testing.T) {
	for name, hello := range map[string][]byte{"not a word": nil, "hello alone": clientHello(t)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				sent := 0
				h := newHandshake(newDTLSConfig(newCertificate(t)), [32]byte{}, func([]byte) { sent++ })
				if hello != nil {
					h.take(hello)
				}
				if _, _, err := h.run(t.Context()); !errors.Is(err, errHandshakeTime) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); took != handshakeWithin {
					t.Errorf("given up after %v", took)
				}
				if hello != nil && (sent < 5 || sent > 12) {
					t.Errorf("its flight was sent %d times", sent)
				}
			})
		})
	}
}

func TestClientThatRefusesIsBelievedSoon(t *testing.T) {
	hello := clientHello(t)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := newHandshake(newDTLSConfig(newCertificate(t)), [32]byte{}, func([]byte) {})
		h.take(hello)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			synctest.Wait()
			for range 3 {
				h.take([]byte{kindAlert, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, alertFatal, 42})
			}
		})
		_, _, err := h.run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "alert 42") || time.Since(start) != refusedWithin {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestHandshakesLeaveNothing(t *testing.T) {
	own := newCertificate(t)
	cfg := newDTLSConfig(newCertificate(t))
	for round := range 30 {
		synctest.Test(t, func(t *testing.T) { // ends only when all goroutines have
			w := newCable()
			p := &pair{h: newHandshake(cfg, fingerprintOf(own), w.write), wire: w}
			w.up = p.h.take
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if round%3 == 1 {
				p.lossy(func(up bool, n int, _ []byte) int {
					if n == 1 {
						cancel() // in the middle
					}
					return 1
				})
			}
			p.shake(ctx, t, clientOptions(own)...)
			sent := len(w.all())
			if _, err := p.h.WriteTo(goodbye, nowhere{}); err == nil {
				t.Error("it still writes")
			}
			if _, _, err := p.h.ReadFrom(make([]byte, 100)); err == nil {
				t.Error("it still reads")
			}
			_ = p.client.Close()
			synctest.Wait()
			time.Sleep(time.Minute)
			if p.farewell == nil && len(w.all()) != sent {
				t.Error("something was sent after the end")
			}
		})
	}
}

// TestSealedAlertEndsTheHandshake: this one is the client's beyond doubt.
func TestSealedAlertEndsTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := shakeFalsely(t.Context(), t, newDTLSConfig(newCertificate(t)), [][]byte{{alertFatal, 40}}, func() {})
		if p.err == nil || errors.Is(p.err, errHandshakeTime) {
			t.Errorf("got %v", p.err)
		}
	})
}

func TestInboxIsBounded(t *testing.T) {
	h := newHandshake(nil, [32]byte{}, nil)
	for range inboxDatagrams + 1 {
		h.in.put([]byte{1})
	}
	if n := len(h.in.datagrams); n != inboxDatagrams {
		t.Errorf("%d datagrams wait", n)
	}
	read := func() {
		for len(h.in.datagrams) > 0 {
			if _, err := h.in.get(make([]byte, maxDatagram)); err != nil {
				t.Fatal(err)
			}
		}
	}
	read()
	for range inboxBytes/maxDatagram + 1 {
		h.in.put(make([]byte, maxDatagram))
	}
	if h.in.bytes != inboxBytes {
		t.Errorf("%d bytes wait", h.in.bytes)
	}
	read()
	h.in.put(make([]byte, maxDatagram+1))
	if h.in.bytes != 0 {
		t.Error("a datagram longer than the longest was taken")
	}
	for range handshakeDatagrams {
		h.in.put([]byte{1})
		read()
	}
	if h.in.count != handshakeDatagrams {
		t.Errorf("%d datagrams in all", h.in.count)
	}
	h.in.count = 0
	for range handshakeBytes {
		h.in.put(make([]byte, 1000))
		read()
		h.in.count = 0
	}
	if h.in.taken > handshakeBytes || h.in.taken < handshakeBytes-1000 {
		t.Errorf("%d bytes in all", h.in.taken)
	}
}
