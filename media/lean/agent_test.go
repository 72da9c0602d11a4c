package lean

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// browser makes the requests of a client.
type browser struct{ ufrag string }

// detail is one attribute, or a fault, of a request.
type detail func(m *stun.Message)

func (b browser) Credentials() Credentials {
	return Credentials{UFrag: b.ufrag, Pwd: "its password is of no use to a lite agent"}
}

// check builds a request as clients do: signed with the password of our generation, with a FINGERPRINT.
func (b browser) check(own Credentials, details ...detail) *stun.Message {
	m := b.unsealed(own.UFrag, details...)
	sealWith(own.Pwd)(m)
	return redecoded(m.Raw)
}

func (b browser) unsealed(ufrag string, details ...detail) *stun.Message {
	m := stun.MustBuild(stun.BindingRequest, stun.TransactionID, stun.NewUsername(ufrag+":"+b.ufrag))
	for _, d := range details {
		d(m)
	}
	return m
}

func sealWith(pwd string) detail {
	return func(m *stun.Message) {
		must(stun.NewShortTermIntegrity(pwd).AddTo(m))
		must(stun.Fingerprint.AddTo(m))
	}
}

func use(m *stun.Message)                   { m.Add(stun.AttrUseCandidate, nil) }
func controlling(m *stun.Message)           { m.Add(stun.AttrICEControlling, make([]byte, 8)) }
func controlled(m *stun.Message)            { m.Add(stun.AttrICEControlled, make([]byte, 8)) }
func attr(t stun.AttrType, v string) detail { return func(m *stun.Message) { m.Add(t, []byte(v)) } }

func priority(p uint32) detail {
	return func(m *stun.Message) { m.Add(stun.AttrPriority, binary.BigEndian.AppendUint32(nil, p)) }
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// redecoded is what a reader makes of the bytes.
func redecoded(raw []byte) *stun.Message {
	m := &stun.Message{Raw: slices.Clone(raw)}
	must(m.Decode())
	return m
}

func udp(addr string) path { return path{addr: netip.MustParseAddrPort(addr)} }
func tcp(addr string) path { return path{addr: netip.MustParseAddrPort(addr), tcp: true} }

// snapshot is a deep copy of all that an agent knows.
func snapshot(a *agent) *agent {
	b := *a
	b.gens, b.list, b.known = slices.Clone(a.gens), slices.Clone(a.list), nil
	for _, v := range a.known {
		w := *v
		b.known = append(b.known, &w)
		if v == a.current {
			b.current = &w
		}
	}
	return &b
}

// verifyReply checks what each reply has, as a client would.
func verifyReply(t *testing.T, reply, request *stun.Message, own Credentials) *stun.Message {
	t.Helper()
	got := redecoded(reply.Raw)
	if got.TransactionID != request.TransactionID {
		t.Error("the reply is of another transaction")
	}
	if err := got.Check(stun.NewShortTermIntegrity(own.Pwd)); err != nil {
		t.Errorf("the reply is not signed: %v", err)
	}
	if err := got.Check(stun.Fingerprint); err != nil {
		t.Errorf("the reply has no fingerprint: %v", err)
	}
	return got
}

func TestSuccessTellsTheAddress(t *testing.T) {
	for _, from := range []path{udp("192.0.2.1:5000"), udp("[2001:db8::1]:443"), tcp("192.0.2.1:0")} {
		b := browser{"remote"}
		a := newAgent(b.Credentials())
		m := b.check(a.own(), controlling, priority(7))
		var reply stun.Message
		if !a.request(m, from, 0, &reply) {
			t.Fatal("an authentic request is dropped")
		}
		got := verifyReply(t, &reply, m, a.own())
		var mapped stun.XORMappedAddress
		if err := mapped.GetFrom(got); err != nil || mapped.String() != from.addr.String() {
			t.Errorf("mapped %v, %v instead of %v", mapped, err, from)
		}
		if got.Type != stun.BindingSuccess || !slices.Equal(a.paths(), []path{from}) {
			t.Errorf("%v; %v", got, a.paths())
		}
		if p, ok := a.path(); ok {
			t.Errorf("%v was not nominated", p)
		}
	}
}

// What is not authentic gets no answer and leaves no trace, also in an agent that is in the middle of a restart.
func TestStrangersLeaveNoTrace(t *testing.T) {
	b := browser{"remote"}
	a := newAgent(b.Credentials())
	home := udp("192.0.2.1:5000")
	var reply stun.Message
	first := b.check(a.own(), use, priority(5))
	if !a.request(first, home, 0, &reply) {
		t.Fatal("not answered")
	}
	former := a.own()
	a.restart(Credentials{UFrag: "other"})
	own := a.own()
	truncated := func(m *stun.Message) *stun.Message { m.Raw = m.Raw[:len(m.Raw)-4]; return m }
	unsigned := b.unsealed(former.UFrag, use)
	must(stun.Fingerprint.AddTo(unsigned))
	flipped := b.check(former, use)
	flipped.Raw[len(flipped.Raw)-1] ^= 1
	wrongPrint := redecoded(flipped.Raw)
	altered := b.check(former, use, attr(stun.AttrSoftware, "abcd"))
	at := strings.Index(string(altered.Raw), "abcd")
	altered.Raw[at] = 'x'
	binary.BigEndian.PutUint32(altered.Raw[len(altered.Raw)-4:], stun.FingerprintValue(altered.Raw[:len(altered.Raw)-8]))
	short := b.unsealed(former.UFrag, attr(stun.AttrMessageIntegrity, ""))
	trailing := b.check(former, use)
	trailing.Raw = append(trailing.Raw, 0, 0, 0, 0)
	printInside := b.unsealed(former.UFrag)
	must(stun.Fingerprint.AddTo(printInside))
	printInside.Attributes = printInside.Attributes[:1] // Pion itself refuses to build this one
	must(stun.NewShortTermIntegrity(former.Pwd).AddTo(printInside))
	kind := func(mt stun.MessageType) *stun.Message {
		m := b.unsealed(former.UFrag, use)
		m.SetType(mt)
		sealWith(former.Pwd)(m)
		return redecoded(m.Raw)
	}
	long := b.check(former, attr(stun.AttrSoftware, strings.Repeat("x", maxCheckBytes)))
	for name, m := range map[string]*stun.Message{
		"wrong password":            b.check(Credentials{UFrag: former.UFrag, Pwd: own.Pwd}, use),
		"empty password":            b.check(Credentials{UFrag: former.UFrag}, use),
		"wrong own ufrag":           b.check(Credentials{UFrag: "somebodyelse", Pwd: former.Pwd}, use),
		"wrong remote ufrag":        browser{"remotes"}.check(former, use),
		"remote of the other one":   browser{"other"}.check(former, use),
		"no colon":                  redecoded(stun.MustBuild(stun.BindingRequest, stun.NewUsername(former.UFrag), stun.NewShortTermIntegrity(former.Pwd)).Raw),
		"no username":               redecoded(stun.MustBuild(stun.BindingRequest, stun.NewShortTermIntegrity(former.Pwd)).Raw),
		"no integrity":              redecoded(unsigned.Raw),
		"integrity of no bytes":     redecoded(short.Raw),
		"wrong fingerprint":         wrongPrint,
		"fingerprint not at end":    redecoded(printInside.Raw),
		"altered":                   redecoded(altered.Raw),
		"truncated after decoding":  truncated(b.check(former, use)),
		"bytes after the end":       redecoded(trailing.Raw),
		"success response":          kind(stun.BindingSuccess),
		"error response":            kind(stun.BindingError),
		"indication":                kind(stun.NewType(stun.MethodBinding, stun.ClassIndication)),
		"another method":            kind(stun.NewType(stun.MethodAllocate, stun.ClassRequest)),
		"never decoded":             {},
		"longer than one frame":     long,
		"priority of two bytes":     b.check(former, use, attr(stun.AttrPriority, "ab")),
		"replay from another place": redecoded(first.Raw),
	} {
		before := snapshot(a)
		if a.request(m, udp("198.51.100.9:9"), time.Second, &reply) {
			t.Errorf("%s: answered", name)
		}
		if !reflect.DeepEqual(before, a) {
			t.Errorf("%s: left a trace", name)
		}
	}
	if !a.request(b.check(former), home, time.Second, &reply) {
		t.Error("the client itself is not answered any more")
	}
}

func TestErrorsAreSignedAndChangeNothing(t *testing.T) {
	b := browser{"remote"}
	a := newAgent(b.Credentials())
	var reply stun.Message
	many := func(m *stun.Message) {
		for i := range 2 * maxUnknownNamed {
			m.Add(stun.AttrType(0x0100+i), []byte("?"))
		}
	}
	for _, c := range []struct {
		name    string
		details []detail
		code    stun.ErrorCode
		unknown int
	}{
		{"role conflict", []detail{controlled, use}, stun.CodeRoleConflict, 0},
		{"both roles", []detail{controlling, controlled}, stun.CodeRoleConflict, 0},
		{"one unknown", []detail{attr(0x7fff, "x"), use}, stun.CodeUnknownAttribute, 1},
		{"unknown and role", []detail{attr(0x0100, ""), controlled}, stun.CodeUnknownAttribute, 1},
		{"at the limit", []detail{many}, stun.CodeUnknownAttribute, maxUnknownNamed},
		{"optional ones", []detail{controlling, attr(0xc057, "abcd"), attr(0xffff, "")}, 0, 0},
		{"of STUN, misplaced", []detail{attr(stun.AttrRealm, "r"), attr(stun.AttrNonce, "n")}, 0, 0},
	} {
		before := snapshot(a)
		m := b.check(a.own(), c.details...)
		if !a.request(m, udp("192.0.2.1:5000"), 0, &reply) {
			t.Fatalf("%s: dropped", c.name)
		}
		got := verifyReply(t, &reply, m, a.own())
		var code stun.ErrorCodeAttribute
		_ = code.GetFrom(got)
		if code.Code != c.code || (got.Type == stun.BindingError) != (c.code != 0) {
			t.Errorf("%s: %v with code %d", c.name, got, code.Code)
		}
		var unknown stun.UnknownAttributes
		_ = unknown.GetFrom(got)
		if len(unknown) != c.unknown {
			t.Errorf("%s: names %v", c.name, unknown)
		}
		if c.code != 0 && !reflect.DeepEqual(before, a) {
			t.Errorf("%s: left a trace", c.name)
		}
	}
}

func TestCredentials(t *testing.T) {
	const ice = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	seen := map[string]bool{}
	for range 1000 {
		a := newAgent(Credentials{UFrag: "remote"})
		own := a.own()
		if len(own.UFrag) < 8 || len(own.Pwd) < 22 || strings.Trim(own.UFrag+own.Pwd, ice) != "" {
			t.Fatalf("%+v", own)
		}
		if seen[own.UFrag] || seen[own.Pwd] {
			t.Fatalf("%+v a second time", own)
		}
		seen[own.UFrag], seen[own.Pwd] = true, true
	}
}

func TestUfragOf(t *testing.T) {
	plain := browser{"remote"}.check(Credentials{UFrag: "ours", Pwd: "p"}, priority(1)).Raw
	behind := func(n int) []byte {
		m := stun.MustBuild(stun.BindingRequest)
		for range n {
			m.Add(stun.AttrSoftware, []byte("x"))
		}
		m.Add(stun.AttrUsername, []byte("ours:remote"))
		return m.Raw
	}
	with := func(at int, v ...byte) []byte {
		b := slices.Clone(plain)
		copy(b[at:], v)
		return b
	}
	named := func(name string) []byte {
		return stun.MustBuild(stun.BindingRequest, stun.NewUsername(name)).Raw
	}
	signedFirst := stun.MustBuild(stun.BindingRequest, stun.NewShortTermIntegrity("p"))
	signedFirst.Add(stun.AttrUsername, []byte("ours:remote"))
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"plain", plain, "ours"},
		{"last attribute that is walked to", behind(maxAttributesBeforeUsername - 1), "ours"},
		{"one past it", behind(maxAttributesBeforeUsername), ""},
		{"empty", nil, ""},
		{"header alone", stun.MustBuild(stun.BindingRequest).Raw, ""},
		{"too short by four", plain[:len(plain)-4], ""},
		{"too long by four", append(slices.Clone(plain), 0, 0, 0, 0), ""},
		{"response", with(0, 1, 1), ""},
		{"wrong cookie", with(4, 0), ""},
		{"username longer than the message", with(22, 0xff, 0xff), ""},
		{"no colon", named("ours"), ""},
		{"no own half", named(":remote"), ""},
		{"no remote half", named("ours:"), "ours"},
		{"two colons", named("ours:a:b"), "ours"},
		{"username after the signature", signedFirst.Raw, ""},
		{"longest", browser{"r"}.check(Credentials{UFrag: "ours", Pwd: "p"}, attr(stun.AttrSoftware, strings.Repeat("x", maxCheckBytes-68))).Raw, "ours"},
		{"one step longer", browser{"r"}.check(Credentials{UFrag: "ours", Pwd: "p"}, attr(stun.AttrSoftware, strings.Repeat("x", maxCheckBytes-67))).Raw, ""},
	} {
		got, ok := ufragOf(c.b)
		if string(got) != c.want || ok != (c.want != "") {
			t.Errorf("%s (%d bytes): %q, %v", c.name, len(c.b), got, ok)
		}
	}
}
