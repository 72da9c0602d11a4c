//go:build !race

package lean

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// checks are requests of one client, decoded, more of them than are remembered.
func checks(a *agent, b browser) []*stun.Message {
	ms := make([]*stun.Message, 4*rememberedChecks)
	for i := range ms {
		ms[i] = b.check(a.own(), controlling, priority(1853824767), use, attr(0xc057, "\x00\x00\x00\x01"))
	}
	return ms
}

func TestAllocCheck(t *testing.T) {
	b := browser{"remote"}
	for _, from := range []path{udp("192.0.2.1:5000"), udp("[2001:db8::1]:5000"), tcp("192.0.2.1:5000")} {
		a := newAgent(b.Credentials())
		ms := checks(a, b)
		var m, reply stun.Message
		now, i := time.Duration(0), 0
		one := func() {
			raw := ms[i%len(ms)].Raw
			i++
			now += time.Second
			if own, ok := ufragOf(raw); !ok || string(own) != a.own().UFrag {
				t.Fatal("the ufrag is not found")
			}
			if stun.Decode(raw, &m) != nil || !a.request(&m, from, now, &reply) {
				t.Fatal("not answered")
			}
			a.heard(from, now)
			if _, ok := a.path(); !ok || a.expired(now) || len(a.paths()) != 1 {
				t.Fatal("media goes nowhere")
			}
		}
		one()
		if n := testing.AllocsPerRun(200, one); n != 0 {
			t.Errorf("a check over %v allocates %v times", from, n)
		}
	}
}

func TestAllocStranger(t *testing.T) {
	b := browser{"remote"}
	a := newAgent(b.Credentials())
	m := b.check(Credentials{UFrag: a.own().UFrag, Pwd: "wrong"}, use)
	var reply stun.Message
	if n := testing.AllocsPerRun(200, func() {
		if a.request(m, udp("192.0.2.1:5000"), 0, &reply) {
			t.Fatal("answered")
		}
	}); n != 0 {
		t.Errorf("a forged check allocates %v times", n)
	}
}

// BenchmarkRequest is one check of a client: from the datagram to the answer.
func BenchmarkRequest(b *testing.B) {
	c := browser{"remote"}
	a := newAgent(c.Credentials())
	ms := checks(a, c)
	from := udp("192.0.2.1:5000")
	var m, reply stun.Message
	run := func(name string, raw func(i int) []byte, want bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				bytes := raw(i)
				if _, ok := ufragOf(bytes); !ok {
					b.Fatal("no ufrag")
				}
				if stun.Decode(bytes, &m) != nil || a.request(&m, from, time.Duration(i), &reply) != want {
					b.Fatal("answered, or not")
				}
			}
		})
	}
	run("authentic", func(i int) []byte { return ms[i%len(ms)].Raw }, true)
	forged := c.check(Credentials{UFrag: a.own().UFrag, Pwd: "wrong"}, use).Raw
	run("forged", func(int) []byte { return forged }, false)
	unprinted := append([]byte(nil), forged...)
	binary.BigEndian.PutUint32(unprinted[len(unprinted)-4:], 0)
	run("random", func(int) []byte { return unprinted }, false)
}

func BenchmarkUfragOf(b *testing.B) {
	raw := browser{"remote"}.check(Credentials{UFrag: "ourownufrag1", Pwd: "p"}, use).Raw
	b.ReportAllocs()
	for range b.N {
		if _, ok := ufragOf(raw); !ok {
			b.Fatal("no ufrag")
		}
	}
}
