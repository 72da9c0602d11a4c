package lean

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// play runs a script on an agent. A line has the second, the path (a letter; small: TCP), what comes over it, and where
// media goes afterwards (-: nowhere). "use 9": a check with USE-CANDIDATE and priority 9; "check 9": one without; a further
// word is the name of its generation (n: the newest, the default; f: the former); "report": an SRTCP packet.
// "restart" and "refused: ..." (a check that gets no answer) do what they say.
func play(t *testing.T, script string) *agent {
	t.Helper()
	b := browser{"remote"}
	a := newAgent(b.Credentials())
	former := a.own()
	var sent []*stun.Message
	for line := range strings.Lines(script) {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		var seconds float64
		fmt.Sscan(f[0], &seconds)
		now := time.Duration(seconds * float64(time.Second))
		at, want := pathOf(f[1]), f[len(f)-1]
		switch f[2] {
		case "restart":
			former = a.own()
			a.restart(b.Credentials())
		case "report":
			a.heard(at, now)
		case "use", "check", "again", "lost":
			var m *stun.Message
			if f[2] == "again" || f[2] == "lost" { // a request that was sent before, from this place
				var n int
				fmt.Sscan(f[3], &n)
				m = redecoded(sent[n].Raw)
			} else {
				m = b.check(ownOf(a, former, f), detailsOf(f)...)
				sent = append(sent, m)
			}
			if a.request(m, at, now, new(stun.Message)) != (f[2] != "lost") {
				t.Fatalf("%s: answered, or not", strings.TrimSpace(line))
			}
		}
		got := "-"
		if p, ok := a.path(); ok {
			got = nameOf(p)
		}
		if got != want {
			t.Fatalf("%s: media goes to %s", strings.TrimSpace(line), got)
		}
		verifyInvariants(t, a)
	}
	return a
}

func pathOf(letter string) path {
	n := letter[0] | 0x20
	p := udp(fmt.Sprintf("192.0.2.%d:5000", n))
	p.tcp = letter[0] == n
	return p
}

func nameOf(p path) string {
	n := p.addr.Addr().As4()[3]
	if !p.tcp {
		n &^= 0x20
	}
	return string(n)
}

func ownOf(a *agent, former Credentials, f []string) Credentials {
	if slices.Contains(f, "f") {
		return former
	}
	return a.own()
}

func detailsOf(f []string) []detail {
	var p uint32
	details := []detail{controlling}
	if n, _ := fmt.Sscan(f[3], &p); n == 1 {
		details = append(details, priority(p))
	}
	if f[2] == "use" {
		details = append(details, use)
	}
	return details
}

// verifyInvariants checks what is true of every agent at all times.
func verifyInvariants(t interface {
	Helper()
	Fatalf(string, ...any)
}, a *agent) {
	t.Helper()
	names := make([]path, 0, maxPaths)
	for _, v := range a.known {
		if slices.Contains(names, v.path) {
			t.Fatalf("%v is known twice", v.path)
		}
		names = append(names, v.path)
	}
	if len(a.known) > maxPaths || !slices.Equal(names, a.paths()) {
		t.Fatalf("paths %v of %v", a.paths(), names)
	}
	if p, ok := a.path(); ok && !slices.Contains(a.paths(), p) {
		t.Fatalf("media goes to %v, which is not in %v", p, a.paths())
	}
	if n := len(a.generations()); n < 1 || n > maxGenerations || a.generations()[0] != a.own().UFrag {
		t.Fatalf("generations %v", a.generations())
	}
}

func TestChoice(t *testing.T) {
	for name, script := range map[string]string{
		"the first nominated is taken, a verified one is not": `
			0.0 A check 9 -
			0.1 B use 1 B
			0.2 A check 9 B`,
		"Firefox nominates all: the highest priority wins and stays": `
			0.00 A use 5 A
			0.02 B use 9 B
			0.04 C use 7 B
			0.06 A use 5 B
			0.08 C use 7 B
			1.00 B report B
			5.00 B use 9 B
			5.10 C use 7 B`,
		"Firefox, answers are slow: reports over the first path are still under way": `
			0.00 A use 5 A
			0.02 B use 9 B
			0.10 A report B
			0.12 B use 9 B
			0.20 A report B
			0.40 B report B
			0.45 A report B
			1.40 B report B`,
		"Chromium nominates the pair it uses, now one of lower priority; the old one is kept alive": `
			0.0 A use 9 A
			0.5 B check 5 A
			1.0 A report A
			2.5 B use 5 A
			2.6 A check 9 A
			3.0 B report B
			3.1 A check 9 B
			5.0 B use 5 B
			5.1 A check 9 B
			6.0 B report B`,
		"Chromium goes back: one report and the nomination are enough": `
			0.0 A use 9 A
			0.5 B use 5 A
			1.0 B report B
			2.0 A use 9 B
			2.5 A report A`,
		"Pion nominates once": `
			0.0 A check 9 -
			0.1 B check 5 -
			0.2 A use 9 A
			2.2 A check 9 A
			2.2 B check 5 A
			3.0 A report A`,
		"a NAT has a new address: followed at the first report": `
			0.0 A use 9 A
			1.0 A report A
			2.0 B use 9 A
			2.1 B report B
			4.0 B use 9 B`,
		"a report before any check of its path says nothing": `
			0.0 A use 9 A
			1.0 B report A
			1.1 B check 9 A
			2.0 B report B`,
		"a report before the first nomination takes nothing": `
			0.0 A check 9 -
			0.1 A report -
			0.2 A use 9 A`,
		"a silent path is left for a nominated one, just over the limit": `
			0.0 A use 9 A
			1.0 A report A
			2.0 B use 5 A
			7.0 B use 5 A
			7.001 B use 5 B
			8.0 A use 9 B`,
		"nominated earlier counts when the other one falls silent": `
			0.0 A use 9 A
			0.1 B use 5 A
			6.0 B check 5 A
			6.1 B check 5 B`,
		"a path that nobody nominated is taken when the current one has lost consent": `
			0.0 A use 9 A
			10.0 B check 5 A
			30.0 B check 5 A
			30.1 B check 5 B`,
		"checks keep a path from being silent": `
			0.0 A use 9 A
			5.0 A check 9 A
			6.5 B use 5 A
			10.0 A check 9 A
			12.0 B use 5 A`,
		"UDP is better than TCP of equal priority, and not the other way round": `
			0.0 a use 5 a
			0.1 B use 5 B
			0.2 c use 5 B
			0.3 a use 5 B
			0.4 c use 6 c`,
		"no priority named": `
			0.0 A use - A
			0.1 B use 1 B
			0.2 B use - B
			0.3 A use - B`,
		"a path that reports have led to is nominated later": `
			0.0 A use 5 A
			0.1 B check 9 A
			0.2 B report B
			0.3 A report B
			1.0 A report A
			1.1 B use 9 B`,
		"priorities only climb": `
			0.0 A use 5 A
			0.1 A use 1 A
			0.2 B use 3 A`,
	} {
		t.Run(name, func(t *testing.T) { play(t, script) })
	}
}

func TestNoFlapping(t *testing.T) {
	for name, script := range map[string]string{
		"a late report over the old path": `
			0.0 A use 9 A
			0.1 B use 5 A
			1.0 A report A
			2.0 B report B
			2.01 A report B
			2.02 A report B
			3.0 B report B
			# later than any hold, but alone
			3.9 A report B
			4.0 B report B
			4.9 A report B`,
		"reports over two paths in turns": `
			0.0 A use 9 A
			0.1 B use 5 A
			1.0 A report A
			1.1 B report B
			1.2 A report B
			1.3 B report B
			2.3 A report B
			3.3 B report B
			4.3 A report B
			5.3 B report B`,
		"the hold counts from the last report of the current path: one before the limit, and at it": `
			0.0 A use 9 A
			0.1 B use 5 A
			1.0 B report B
			2.0 B report B
			2.1 A report B
			2.499 A report B
			2.5 A report A`,
		"one that really goes back is followed": `
			0.0 A use 9 A
			0.1 B check 5 A
			1.0 B report B
			2.0 B report B
			3.0 A report B
			4.0 A report A
			5.0 A report A`,
		"the old path is followed at once when the new one fell silent": `
			0.0 A use 9 A
			0.1 B use 5 A
			1.0 B report B
			6.9 A check 9 B
			7.1 A report A`,
		"nor do they when they say what another one is worth": `
			0.0 A use 1 A
			0.1 D check 1 A
			0.2 D report D
			0.3 B use 2 B
			0.4 D use 1 B
			0.5 J check 1 B
			0.6 J report J
			0.7 D use 2 J`,
		"nominations of a path that was left move nothing": `
			0.0 A use 9 A
			0.1 B use 5 A
			1.0 B report B
			1.1 A use 9 B
			2.0 B report B
			2.1 A use 9 B
			3.0 B report B`,
	} {
		t.Run(name, func(t *testing.T) { play(t, script) })
	}
}

func TestReplays(t *testing.T) {
	for name, script := range map[string]string{
		"from an unknown place: no answer": `
			0.0 A use 9 A
			0.1 B lost 0 A`,
		"sent again from its own place: answered": `
			0.0 A use 9 A
			0.1 A again 0 A`,
		"from a place that is known: answered, but it nominates nothing": `
			0.0 A use 5 A
			0.1 B check 1 A
			0.2 C use 9 C
			0.3 B again 2 C`,
		"the last one that is remembered": `
			0 A use 9 A
			1 A check 9 A
			2 A check 9 A
			3 A check 9 A
			4 A check 9 A
			5 A check 9 A
			6 A check 9 A
			7 A check 9 A
			8 X lost 0 A`,
		"one past it, which does not move media from the path it was captured on": `
			0 A use 9 A
			1 A check 9 A
			2 A check 9 A
			3 A check 9 A
			4 A check 9 A
			5 A check 9 A
			6 A check 9 A
			7 A check 9 A
			8 A check 9 A
			9 X again 0 A`,
		"an old nomination of the better path that the client has left: its reports take media back, for good": `
			0 A use 9 A
			0 A use 9 A
			0 A check 9 A
			0 A check 9 A
			0 A check 9 A
			0 A check 9 A
			0 A check 9 A
			0 A check 9 A
			0 A check 9 A
			0 A check 9 A
			1 B check 5 A
			1 B report B
			2 X again 0 X
			2.2 B report X
			2.7 B report B
			3 Y again 1 B
			# until the next generation
			4.0 - restart B
			4.1 B use 1 B
			4.2 C use 2 C`,
		"one that was faster than the client's own: the client is not silent for that": `
			0 A use 9 A
			0.1 X check 1 A
			5 X check 9 A
			5 A again 2 A
			7 X use 9 A`,
	} {
		t.Run(name, func(t *testing.T) { play(t, script) })
	}
}

func TestReplayDoesNotRenew(t *testing.T) {
	b := browser{"remote"}
	a := newAgent(b.Credentials())
	m := b.check(a.own(), use)
	home := udp("192.0.2.1:5000")
	for _, now := range []time.Duration{0, 10 * time.Second, 29 * time.Second} {
		if !a.request(m, home, now, new(stun.Message)) {
			t.Fatal("not answered")
		}
	}
	if !a.expired(consentFor) {
		t.Error("an old request keeps the session")
	}
}

func TestRestart(t *testing.T) {
	for name, script := range map[string]string{
		"media stays until the new generation is nominated, whatever its priority": `
			0.0 A use 9 A
			1.0 - restart A
			1.1 B check 1 A
			1.2 A check 9 f A
			1.3 B use 1 B
			1.4 A report B`,
		"the former generation may still move": `
			0.0 A use 5 A
			1.0 - restart A
			1.1 C check 1 A
			1.2 B use 9 f B
			1.3 C use 1 C`,
		"over the same path": `
			0.0 A use 9 A
			1.0 - restart A
			1.1 A use 2 A
			1.2 B use 3 B
			1.3 A use 2 B`,
		"priorities are compared within a generation": `
			0.0 A use 5 A
			1.0 - restart A
			1.1 A check 2 A
			1.2 B use 9 f A
			1.3 B check 1 A
			1.4 B use 9 f A
			1.5 B use 1 B`,
		"what was left in the former generation may be the best of the new one": `
			0.0 A use 9 A
			1.0 - restart A
			1.1 A check 9 A
			1.2 B use 5 B
			1.3 A report B
			1.4 A use 9 A
			1.5 B use 5 A`,
		"also when it was left twice": `
			0.0 A use 9 A
			0.1 B use 5 A
			0.2 B report B
			0.3 A use 9 B
			1.0 - restart B
			1.1 A check 9 B
			1.2 C use 5 C
			1.3 A use 9 A`,
		"a report under way when the generation changes": `
			0.0 A use 9 A
			1.0 A report A
			1.1 - restart A
			1.2 A check 9 A
			1.3 B use 9 B
			1.4 A report B`,
		"before anything was nominated": `
			0.0 A check 5 -
			1.0 - restart -
			1.1 A use 5 f A
			1.2 B use 1 B`,
		"twice: the one in between is forgotten": `
			0.0 A use 9 A
			1.0 - restart A
			1.1 B check 9 A
			2.0 - restart A
			2.1 C check 1 A
			2.2 C use 1 C`,
		"reports move media between generations": `
			0.0 A use 9 A
			1.0 - restart A
			1.1 B check 1 A
			1.2 B report B
			1.3 A use 9 f B
			1.4 B use 1 B`,
	} {
		t.Run(name, func(t *testing.T) { play(t, script) })
	}
}

func TestGenerationsThatAnswer(t *testing.T) {
	b := browser{"remote"}
	a := newAgent(b.Credentials())
	home, away := udp("192.0.2.1:1"), udp("192.0.2.2:2")
	answers := func(own Credentials, from path, details ...detail) bool {
		return a.request(b.check(own, details...), from, 0, new(stun.Message))
	}
	first := a.own()
	if !answers(first, home, use) {
		t.Fatal("the first does not answer")
	}
	middle := a.restart(b.Credentials())
	if !answers(middle, away) || !answers(first, home) {
		t.Error("two are to answer")
	}
	last := a.restart(b.Credentials())
	if got := a.generations(); !slices.Equal(got, []string{last.UFrag, first.UFrag}) {
		t.Errorf("%v answer instead of %v and %v", got, last, first)
	}
	if slices.Contains(a.paths(), away) || answers(middle, home) {
		t.Error("the one in between is still there")
	}
	if !answers(last, away, use) || answers(first, home) {
		t.Error("the first answers after the last was nominated")
	}
	if !slices.Equal(a.paths(), []path{away}) || !slices.Equal(a.generations(), []string{last.UFrag}) {
		t.Errorf("left are %v and %v", a.paths(), a.generations())
	}
}

func TestPathsAreBounded(t *testing.T) {
	b := browser{"remote"}
	a := newAgent(b.Credentials())
	at := func(i int) path { return udp(fmt.Sprintf("192.0.2.%d:1", i)) }
	check := func(i int, now time.Duration, details ...detail) {
		if !a.request(b.check(a.own(), details...), at(i), now, new(stun.Message)) {
			t.Fatal("not answered")
		}
		verifyInvariants(t, a)
	}
	check(0, 0, use)
	for i := 1; i < maxPaths; i++ {
		check(i, time.Duration(i))
	}
	if full := a.paths(); len(full) != maxPaths {
		t.Fatalf("%d of %d paths", len(full), maxPaths)
	}
	a.heard(at(1), 99) // moves media there, so that 0 may leave
	a.heard(at(2), 100)
	old := a.paths()
	kept := slices.Clone(old)
	check(100, 101)
	if slices.Contains(a.paths(), at(0)) || len(a.paths()) != maxPaths {
		t.Errorf("left are %v; the oldest was %v", a.paths(), at(0))
	}
	check(101, 102)
	if slices.Contains(a.paths(), at(3)) || !slices.Contains(a.paths(), at(1)) {
		t.Errorf("left are %v", a.paths())
	}
	for i := range 3 * maxPaths {
		check(120+i, time.Duration(103+i))
	}
	if p, _ := a.path(); p != at(2) || !slices.Contains(a.paths(), p) {
		t.Errorf("media goes to %v of %v", p, a.paths())
	}
	if !slices.Equal(old, kept) {
		t.Error("a list that was given out was written again")
	}
}

func TestSilentPathsAreForgotten(t *testing.T) {
	a := play(t, `
		0 A use 9 A
		1 B check 5 A
		29 A check 9 A
		30.9 A check 9 A`)
	if len(a.paths()) != 2 {
		t.Errorf("early: %v", a.paths())
	}
	a = play(t, `
		0 A use 9 A
		1 B check 5 A
		29 A check 9 A
		31 A check 9 A`)
	if !slices.Equal(a.paths(), []path{pathOf("A")}) {
		t.Errorf("%v", a.paths())
	}
}

func TestConsent(t *testing.T) {
	const s = time.Second
	b := browser{"remote"}
	home := udp("192.0.2.1:5000")
	type step struct {
		at      time.Duration
		what    string
		expired bool
	}
	for name, steps := range map[string][]step{
		"nobody ever came":           {{100 * s, "", false}, {130*s - 1, "", false}, {130 * s, "", true}},
		"a check renews":             {{0, "check", false}, {29 * s, "check", false}, {59*s - 1, "", false}, {59 * s, "", true}},
		"a report does not":          {{0, "check", false}, {29 * s, "report", false}, {30 * s, "", true}},
		"nor does an error":          {{0, "check", false}, {29 * s, "confused", false}, {30 * s, "", true}},
		"a goodbye shortens":         {{0, "check", false}, {9 * s, "leaving", false}, {17*s - 1, "", false}, {17 * s, "", true}},
		"a goodbye never lengthens":  {{0, "check", false}, {28 * s, "leaving", false}, {30 * s, "", true}},
		"nor does a second":          {{0, "check", false}, {9 * s, "leaving", false}, {13 * s, "leaving", false}, {17 * s, "", true}},
		"a check takes it back":      {{0, "check", false}, {9 * s, "leaving", false}, {13 * s, "check", false}, {43*s - 1, "", false}, {43 * s, "", true}},
		"a report takes it back":     {{0, "check", false}, {9 * s, "leaving", false}, {9*s + reportHold, "report", false}, {18 * s, "", false}, {30 * s, "", true}},
		"not one that overtook it":   {{0, "check", false}, {9 * s, "leaving", false}, {9*s + reportHold - 1, "report", false}, {17 * s, "", true}},
		"goodbye before any check":   {{0, "leaving", false}, {8*s - 1, "", false}, {8 * s, "", true}},
		"late check after a goodbye": {{0, "check", false}, {1 * s, "leaving", false}, {9 * s, "", true}, {10 * s, "check", false}},
	} {
		a := newAgent(b.Credentials())
		for _, st := range steps {
			switch st.what {
			case "check":
				a.request(b.check(a.own(), use), home, st.at, new(stun.Message))
			case "confused":
				a.request(b.check(a.own(), controlled), home, st.at, new(stun.Message))
			case "report":
				a.heard(home, st.at)
			case "leaving":
				a.leaving(st.at)
			}
			if a.expired(st.at) != st.expired {
				t.Errorf("%s: at %v expired is not %v", name, st.at, st.expired)
			}
		}
	}
}
