package lean

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"time"

	"github.com/pion/stun/v4"
)

const (
	// consentFor is how long media goes on after the last authentic request of the client (RFC 7675 section 5.1), and how
	// long a client may take to send its first.
	consentFor = 30 * time.Second

	// leaveWithin is how long a client that seems to have said goodbye has to show that it has not: longer than any
	// browser is silent between two checks (see silentFor).
	leaveWithin = 8 * time.Second

	// maxGenerations bounds the ICE generations that answer: the newest, and one that carries media until the newest is
	// nominated.
	maxGenerations = 2

	ufragBytes = 9  // 72 random bits, 12 characters: a table is keyed with it
	pwdBytes   = 18 // 144 random bits, 24 characters; RFC 8445 section 5.3 wants 128
)

// agent is the ICE-lite side of one session (RFC 8445 section 2.5): it answers the client's checks, and chooses from them
// and from the client's reports the way that media goes. It has no lock, no goroutine, no clock and no socket: its
// session's mu guards it, and whoever calls says the time.
//
// It believes nothing that is not authentic: an unauthenticated datagram changes no field of it.
//
// Like every lite agent it sends no checks of its own, so a client may name, with its own password, an address that it
// does not own. Only the client's first path is proven, by the DTLS handshake.
type agent struct {
	gens []generation // newest first, 1 or maxGenerations

	choice

	begun   bool          // somebody has said the time
	renewed time.Duration // the last authentic request
	parting bool          // a goodbye that nobody has signed
	parted  time.Duration // when it came
}

// generation is one pair of credentials (RFC 8445 section 5.3).
type generation struct {
	number   uint32 // grows with each restart
	own      Credentials
	username string // of the client's requests: own ufrag, colon, remote ufrag
	key      stun.MessageIntegrity
}

// newAgent makes an agent with fresh credentials of its own. The 30 s that the client has for its first request begin with
// the first call that says the time.
func newAgent(remote Credentials) *agent {
	return &agent{gens: []generation{newGeneration(0, remote)}}
}

func newGeneration(number uint32, remote Credentials) generation {
	own := Credentials{UFrag: iceText(ufragBytes), Pwd: iceText(pwdBytes)}
	return generation{
		number:   number,
		own:      own,
		username: own.UFrag + ":" + remote.UFrag,
		key:      stun.NewShortTermIntegrity(own.Pwd),
	}
}

// iceText returns n random bytes as text. Plain base64 has exactly the 64 characters that ICE allows.
func iceText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: without random bytes the program ends
	return base64.RawStdEncoding.EncodeToString(b)
}

// own returns our credentials of the newest generation.
func (a *agent) own() Credentials { return a.gens[0].own }

// generations returns our ufrags that are still answered, newest first, two at most.
func (a *agent) generations() []string {
	ufrags := make([]string, len(a.gens))
	for i, g := range a.gens {
		ufrags[i] = g.own.UFrag
	}
	return ufrags
}

// restart begins a new generation (RFC 8445 section 9) and returns its credentials. The one that carries media answers on
// until the new one is nominated; one in between, which never was, is forgotten.
func (a *agent) restart(remote Credentials) Credentials {
	carrying := a.gens[0]
	if !a.settled {
		carrying = a.gens[len(a.gens)-1]
	}
	a.gens = append(make([]generation, 0, maxGenerations), newGeneration(a.gens[0].number+1, remote), carrying)
	a.settled = false
	a.forgetFormer()
	return a.own()
}

// request takes a binding request that came over from, decoded from one whole datagram. It returns false when the request
// is not authentic, or a replay from elsewhere: then nothing is to be sent, and nothing was kept. Otherwise reply.Raw is
// the answer, to be sent back over from. Both messages can be used again; reply's old content is lost either way.
//
// Only a check that is answered with success changes anything. Any other leaves no trace, so it gives no one a way to keep
// a session alive with a replay.
func (a *agent) request(m *stun.Message, from path, now time.Duration, reply *stun.Message) bool {
	g := a.authentic(m, reply)
	if g == nil {
		return false
	}
	k, ok := parseCheck(m)
	if !ok {
		return false
	}
	if refuseCheck(m, g.key, reply) {
		return true
	}
	k.generation, k.newest = g.number, g == &a.gens[0]
	key := g.key
	fresh, ok := a.take(&k, from, now)
	if !ok {
		return false
	}
	if fresh {
		a.begun, a.renewed, a.parting = true, now, false
		a.retire()
	}
	acceptCheck(m, from, key, reply)
	return true
}

// retire ends the former generation, and the paths that it alone has verified, once the newest is nominated.
func (a *agent) retire() {
	if a.settled && len(a.gens) > 1 {
		a.gens = a.gens[:1:1]
		a.forgetFormer()
	}
}

// forgetFormer drops the paths of generations that answer no more.
func (a *agent) forgetFormer() {
	a.forget(func(v *verified) bool {
		return !slices.ContainsFunc(a.gens, func(g generation) bool { return g.number == v.generation })
	})
}

// leaving notes that the client seems to have said goodbye. Nobody has signed that, so it only shortens the time in which
// the next authentic packet must come to leaveWithin from now.
func (a *agent) leaving(now time.Duration) {
	a.begin(now)
	if !a.parting {
		a.parting, a.parted = true, now
	}
}

// heard notes that an authenticated SRTCP packet came over from. It does not renew consent, which is for requests alone,
// but it takes back a goodbye: what was sent before that, and only arrives after it, comes within reportHold.
func (a *agent) heard(from path, now time.Duration) {
	a.begin(now)
	if a.parting && now-a.parted >= reportHold {
		a.parting = false
	}
	a.report(from, now)
}

// expired says that the client's consent is over, and media must stop (RFC 7675 section 5.1).
func (a *agent) expired(now time.Duration) bool {
	a.begin(now)
	return now-a.renewed >= consentFor || a.parting && now-a.parted >= leaveWithin
}

// begin starts the time that the client has for its first request.
func (a *agent) begin(now time.Duration) {
	if !a.begun {
		a.begun, a.renewed = true, now
	}
}

// ofUsername finds the living generation that a USERNAME names.
func (a *agent) ofUsername(name []byte) *generation {
	for i := range a.gens {
		if string(name) == a.gens[i].username {
			return &a.gens[i]
		}
	}
	return nil
}
