package peer

import (
	"errors"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

// value of the first a= line of a name.
func value(t *testing.T, text []byte, name string) string {
	t.Helper()
	for l := range strings.SplitSeq(string(text), "\r\n") {
		if v, ok := strings.CutPrefix(l, "a="+name+":"); ok {
			return v
		}
	}
	t.Fatalf("no a=%s in\n%s", name, text)
	return ""
}

func TestTrickleIsBoundToItsGeneration(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		v := onShow(t, setup{way: w}).watch()
		const one = "a=candidate:1 1 UDP 2130706431 127.0.0.1 5000 typ host\r\n"
		ufrag := "a=ice-ufrag:" + value(t, v.offered, "ice-ufrag") + "\r\n"
		var fault *media.SDPError
		if err := v.session.Trickle([]byte("a=ice-ufrag:other\r\n" + one)); !errors.As(err, &fault) {
			t.Errorf("another generation: %v", err)
		}
		if err := v.session.Trickle([]byte(ufrag + "a=candidate:1 1 UDP x 127.0.0.1 5000 typ host\r\n")); !errors.As(err, &fault) || fault.Line != 2 {
			t.Errorf("broken candidate: %v", err)
		}
		if err := v.session.Trickle([]byte("hello\r\n")); !errors.As(err, &fault) || fault.Line != 1 {
			t.Errorf("no fragment: %v", err)
		}
		left := maxCandidates - 1 // the broken one was counted
		for l := range strings.SplitSeq(string(v.offered), "\r\n") {
			if text, ok := strings.CutPrefix(l, "a=candidate:"); ok && reachable(text) {
				left--
			}
		}
		if err := v.session.Trickle([]byte(ufrag + strings.Repeat(one, left))); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		if err := v.session.Trickle([]byte(ufrag + one)); !errors.Is(err, media.ErrTooMany) {
			t.Errorf("one past the limit: %v", err)
		}
		if err := v.session.Trickle([]byte(ufrag + "a=end-of-candidates\r\n")); err != nil {
			t.Errorf("end of candidates: %v", err)
		}
		v.waitFor(t, video, 30) // none of it disturbed the session
		_ = v.session.Close()
		if err := v.session.Trickle([]byte(ufrag + one)); !errors.Is(err, media.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		if _, err := v.session.Restart([]byte("a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n")); !errors.Is(err, media.ErrClosed) {
			t.Errorf("restart after the end: %v", err)
		}
	})
}

// applied is an answer with the credentials and candidates of a fragment.
func applied(t *testing.T, answer string, f *fragment) []byte {
	t.Helper()
	lines, err := splitLines([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	session, sections := sectionsOf(lines)
	o := &offer{session: session}
	for _, s := range sections {
		o.sections = append(o.sections, offered{section: s})
	}
	o = o.restarted(f)
	var b strings.Builder
	for _, s := range append([]offered{{section: o.session}}, o.sections...) {
		for _, l := range s.section {
			b.WriteString(l.text + "\r\n")
		}
	}
	return []byte(b.String())
}

// restart asks for a new generation and has the client take our side of it.
func (v *screen) restart(t *testing.T, between func()) {
	t.Helper()
	again := offerWith(t, v.pc, &webrtc.OfferOptions{ICERestart: true})
	if v.client.offer != nil {
		again = v.client.offer(again)
	}
	fragment, err := v.session.Restart(again)
	if err != nil {
		t.Fatal(err)
	}
	if between != nil {
		between()
	}
	f, err := parseFragment(fragment)
	if err != nil || f.ufrag == "" || f.pwd == "" || len(f.candidates) == 0 {
		t.Fatalf("restart answered with %q: %v", fragment, err)
	}
	// What a WHIP client does: the fragment takes the place of the old credentials and candidates in the answer.
	answer := applied(t, v.pc.CurrentRemoteDescription().SDP, f)
	if v.client.answer != nil {
		answer = v.client.answer(answer)
	}
	accept(t, v.pc, answer)
	eventually(t, patience, "connected again", func() bool {
		return v.pc.ICEConnectionState() == webrtc.ICEConnectionStateConnected
	})
}

func TestICERestartKeepsMedia(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := onShow(t, setup{way: w})
		v := h.watch()
		v.waitFor(t, video, 30)
		ufrag, pwd := "a=ice-ufrag:"+value(t, v.offered, "ice-ufrag")+"\r\n", "a=ice-pwd:"+value(t, v.offered, "ice-pwd")+"\r\n"
		for name, fragment := range map[string]string{
			"no password":          "a=ice-ufrag:only\r\n",
			"no name":              "a=ice-pwd:0123456789012345678901\r\n",
			"the old credentials":  ufrag + pwd,
			"two generations":      "a=ice-ufrag:abcd\r\n" + ufrag + pwd,
			"nothing that is text": "\x00\x01",
		} {
			var fault *media.SDPError
			if _, err := v.session.Restart([]byte(fragment)); !errors.As(err, &fault) {
				t.Errorf("%s: %v", name, err)
			}
		}
		v.goesOn(t, 30) // a failed restart does not end the session
		for range 2 {
			v.restart(t, nil)
			v.goesOn(t, 60)
		}
	})
}

func TestRestartsAreBounded(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		v := onShow(t, setup{way: w}).watch()
		v.waitFor(t, video, 10)
		fragment := func(n int) []byte {
			return []byte("a=ice-ufrag:name" + strings.Repeat("x", n) + "\r\na=ice-pwd:0123456789012345678901\r\n")
		}
		for n := range maxRestarts {
			if _, err := v.session.Restart(fragment(n)); err != nil {
				t.Fatalf("restart %d: %v", n, err)
			}
		}
		if _, err := v.session.Restart(fragment(maxRestarts)); !errors.Is(err, media.ErrTooMany) {
			t.Errorf("one past the limit: %v", err)
		}
	})
}
