package lean

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// fuzzed is an agent whose passwords are known, with a path and two generations.
func fuzzed() *agent {
	b := browser{"remote"}
	a := newAgent(b.Credentials())
	fix := func(own Credentials) {
		a.gens[0].own, a.gens[0].username, a.gens[0].key = own, own.UFrag+":remote", stun.NewShortTermIntegrity(own.Pwd)
	}
	fix(Credentials{UFrag: "formerufrag1", Pwd: "formerpassword0123456789"})
	m := b.check(a.own(), use, priority(5))
	copy(m.Raw[8:], "transaction!")
	a.request(sealedAgain(m.Raw, a.own().Pwd), udp("192.0.2.1:5000"), 0, new(stun.Message))
	a.restart(b.Credentials())
	fix(Credentials{UFrag: "newestufrag1", Pwd: "newestpassword0123456789"})
	return a
}

// sealedAgain replaces the signature and the fingerprint at the end of raw by right ones.
func sealedAgain(raw []byte, pwd string) *stun.Message {
	const integritySize = 20
	const tail = attributeHeader + integritySize + attributeHeader + fingerprintSize
	m := &stun.Message{Raw: bytes.Clone(raw[:len(raw)-tail])}
	m.Raw[2], m.Raw[3] = byte((len(m.Raw)-stunHeader)>>8), byte(len(m.Raw)-stunHeader)
	if m.Decode() != nil || stun.NewShortTermIntegrity(pwd).AddTo(m) != nil || stun.Fingerprint.AddTo(m) != nil {
		return redecoded(raw)
	}
	return redecoded(m.Raw)
}

// FuzzSTUN feeds an agent what anybody may send: it does not panic, ufragOf agrees with Pion's own parser, and what is not
// authentic changes nothing. With sign the same is fed with a right signature, as a hostile client would.
func FuzzSTUN(f *testing.F) {
	a, b := fuzzed(), browser{"remote"}
	former := Credentials{UFrag: "formerufrag1", Pwd: "formerpassword0123456789"}
	for _, own := range []Credentials{a.own(), former, {UFrag: "stranger", Pwd: "p"}} {
		for _, d := range [][]detail{
			{priority(9), use}, {controlling, priority(1)}, {controlled, use}, {attr(0x7fff, "xyz")},
			{attr(stun.AttrPriority, "12")}, {attr(stun.AttrXORMappedAddress, "\x00\x01\x00\x00abcd"), attr(0xc057, "net")},
		} {
			m := b.check(own, d...)
			f.Add(m.Raw, false)
			f.Add(m.Raw, true)
			f.Add(m.Raw[:len(m.Raw)-28], false)
		}
	}
	f.Add(stun.MustBuild(stun.BindingRequest, stun.Fingerprint).Raw, false)
	f.Add(stun.MustBuild(stun.BindingSuccess, stun.NewUsername("newestufrag1:remote")).Raw, false)
	f.Fuzz(func(t *testing.T, raw []byte, sign bool) {
		before := bytes.Clone(raw)
		own, named := ufragOf(raw)
		if !bytes.Equal(raw, before) {
			t.Fatal("ufragOf wrote into the datagram")
		}
		var m, reply stun.Message
		if stun.Decode(raw, &m) != nil {
			return
		}
		verifyUfrag(t, &m, own, named)
		a := fuzzed()
		if sign && len(raw) >= stunHeader+40 && named {
			for _, c := range []Credentials{a.own(), former} {
				if string(own) == c.UFrag {
					m = *sealedAgain(raw, c.Pwd)
				}
			}
		}
		state := snapshot(a)
		ok := a.request(&m, udp("198.51.100.1:7"), time.Second, &reply)
		verifyInvariants(t, a)
		authentic := false
		for _, g := range state.gens {
			name, err := m.Get(stun.AttrUsername)
			if err == nil && string(name) == g.username && m.Check(g.key) == nil {
				authentic = true
			}
		}
		if ok && !authentic {
			t.Fatalf("% x is answered", m.Raw)
		}
		if !ok && !reflect.DeepEqual(state, a) {
			t.Fatalf("% x left a trace", m.Raw)
		}
		if ok && stun.Decode(reply.Raw, new(stun.Message)) != nil {
			t.Fatalf("% x is answered with % x", m.Raw, reply.Raw)
		}
	})
}

// verifyUfrag compares ufragOf with Pion's parser, for a datagram that both take.
func verifyUfrag(t *testing.T, m *stun.Message, own []byte, named bool) {
	t.Helper()
	at := slices.IndexFunc(m.Attributes, func(a stun.RawAttribute) bool { return a.Type == stun.AttrUsername })
	var half []byte
	if at >= 0 {
		half = m.Attributes[at].Value[:max(0, bytes.IndexByte(m.Attributes[at].Value, ':'))]
	}
	// Pion reads a message out of a longer datagram, and one whose first two bits are set, too
	whole := m.Raw[0]>>6 == 0 && m.Type == stun.BindingRequest && len(m.Raw) == stunHeader+int(m.Length)
	switch want := whole && len(half) > 0; {
	case named && (!want || !bytes.Equal(own, half)):
		t.Fatalf("ufragOf found %q, Pion %q in % x", own, half, m.Raw)
	case !named && want && at < maxAttributesBeforeUsername && len(m.Raw) <= maxCheckBytes:
		t.Fatalf("ufragOf found nothing, Pion %q in % x", half, m.Raw)
	}
}
