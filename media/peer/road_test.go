package peer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/mediatest"
)

// behindNAT is a client that sees the server only through a NAT.
func (h *house) behindNAT(t *testing.T) (client, *mediatest.NAT) {
	t.Helper()
	n, err := mediatest.NewNAT(h.server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return client{offer: n.Offer, answer: n.Answer}, n
}

// outage is the longest time without a packet of video.
func (v *screen) outage() time.Duration {
	var longest time.Duration
	seen := v.got(video)
	for i, p := range seen[1:] {
		longest = max(longest, p.at.Sub(seen[i].at))
	}
	return longest
}

// A phone that leaves the house goes from one network to another: its packets come from another address, and nothing else
// says so.
func TestViewerThatMovesPlaysOn(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{"at once": 0, "after two seconds of silence": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachWay(t, func(t *testing.T, w way) {
				t.Parallel()
				h := onShow(t, setup{way: w})
				c, nat := h.behindNAT(t)
				v := h.watchAs(c)
				v.waitFor(t, video, 100)
				for range 3 {
					before := nat.Addresses()
					if pause > 0 {
						nat.Pause()
						time.Sleep(pause)
					}
					nat.Move()
					nat.Resume()
					if w == byPion { // its agent stays with the address that was nominated
						v.restart(t, nil)
					}
					seen := len(v.got(video))
					eventually(t, 10*time.Second, "media at the other address", func() bool { return len(v.got(video)) >= seen+30 })
					for _, at := range nat.Addresses() {
						if slices.Contains(before, at) {
							t.Errorf("the client was at %v and has stayed", at)
						}
					}
				}
				t.Logf("longest outage %v", v.outage())
				if v.session.ended() {
					t.Error("the session ended")
				}
			})
		})
	}
}

// While the client takes its time to use our answer to its restart, media goes on over the old path.
func TestOldPathCarriesUntilTheNewOneStands(t *testing.T) {
	// Pion's agent forgets the old path as soon as it is asked for a new one.
	h := onShow(t, setup{way: byLean})
	c, nat := h.behindNAT(t)
	v := h.watchAs(c)
	v.waitFor(t, video, 30)
	v.restart(t, func() {
		// The client, which is Pion's too, has forgotten it by now: what comes over it is seen at the NAT alone.
		_, before := nat.Passed()
		eventually(t, patience, "packets over the old path", func() bool {
			_, down := nat.Passed()
			return down >= before+100
		})
	})
	v.goesOn(t, 60)
}

// One port, read through two sockets, carries everybody: whose packets are whose does not depend on which socket they come to.
func TestPublishersAndViewersShareTwoSockets(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := onShow(t, setup{way: w, relay: media.Config{Workers: 2}})
		if n := len(h.server.port.Sockets()); n != 2 {
			t.Fatalf("%d sockets", n)
		}
		var viewers []*screen
		for range 6 { // the kernel spreads them by their addresses
			viewers = append(viewers, h.watch())
		}
		for _, v := range viewers {
			v.waitFor(t, video, 30)
		}
		h.publish(creator, webrtc.MimeTypeH264) // a takeover comes in by either socket, too
		for i, v := range viewers {
			v.waitFor(t, audio, 30)
			eventually(t, patience, fmt.Sprint("H264 at viewer ", i), func() bool {
				seen := v.got(video)
				return len(seen) > 60 && seen[len(seen)-1].PayloadType != seen[0].PayloadType
			})
			unbroken(t, v.got(video))
		}
	})
}

func TestTwoViewersBehindOneAddress(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := onShow(t, setup{way: w})
		c, nat := h.behindNAT(t)
		first, second := h.watchAs(c), h.watchAs(c)
		for _, v := range []*screen{first, second} {
			unbroken(t, v.waitFor(t, video, 60))
		}
		all := nat.Addresses()
		if len(all) != 2 || all[0].Addr() != all[1].Addr() {
			t.Fatalf("the server sees %v", all)
		}
		if a, b := first.got(video)[0].SSRC, second.got(video)[0].SSRC; w != byPion && a == b {
			t.Logf("both are sent %x", a) // each has its own keys, so that is allowed
		}
		if err := first.session.Close(); err != nil {
			t.Fatal(err)
		}
		first.closes(t)
		second.goesOn(t, 60)
	})
}

// otherFingerprint is an offer whose certificate is not the one that the client will show.
func otherFingerprint(sdp []byte) []byte {
	const name = "a=fingerprint:sha-256 "
	var lines []string
	for line := range strings.SplitSeq(string(sdp), "\r\n") {
		if text, ok := strings.CutPrefix(line, name); ok {
			line = name + text[3:] + ":" + text[:2]
		}
		lines = append(lines, line)
	}
	return []byte(strings.Join(lines, "\r\n"))
}

func TestNobodyWatchesWithAnotherCertificate(t *testing.T) {
	onEachWay(t, func(t *testing.T, w way) {
		h := onShow(t, setup{way: w, relay: media.Config{MaxViewersPerStream: 1}})
		v := h.watchAs(client{offer: otherFingerprint})
		if bytes.Equal(v.offered, []byte(v.pc.LocalDescription().SDP)) {
			t.Fatal("the offer is the client's own")
		}
		ends(t, v.session, patience, "the stranger")
		if seen := append(v.got(video), v.got(audio)...); len(seen) > 0 {
			t.Errorf("%d packets were sent to a stranger", len(seen))
		}
		h.watch().waitFor(t, video, 30) // its place was given back
	})
}

// lineOf is a client on a line of its own.
func lineOf(t *testing.T) (client, *mediatest.Network) {
	t.Helper()
	n, err := mediatest.NewNetwork(1, mediatest.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	return client{settings: func(e *webrtc.SettingEngine) { e.SetNet(n) }}, n
}

func TestViewerThatVanishesIsEnded(t *testing.T) {
	t.Parallel()
	onEachWay(t, func(t *testing.T, w way) {
		t.Parallel()
		h := onShow(t, setup{way: w})
		c, line := lineOf(t)
		gone, stays := h.watchAs(c), h.watch()
		gone.waitFor(t, video, 30)
		line.Cut()
		ends(t, gone.session, vanishedWithin, "the viewer that vanished")
		stays.goesOn(t, 30)
	})
}

// vanishedWithin is how long nobody keeps a place that it does not use.
const vanishedWithin = 35 * time.Second

func TestViewerThatNeverShakesHandsIsEnded(t *testing.T) {
	t.Parallel()
	onEachWay(t, func(t *testing.T, w way) {
		t.Parallel()
		h := onShow(t, setup{way: w, relay: media.Config{MaxViewersPerStream: 1}})
		c, line := lineOf(t)
		line.Lose(func(in bool, packet []byte) bool { return !in && len(packet) > 0 && packet[0] >= 20 && packet[0] <= 63 }) // DTLS
		v := h.watchAs(c)
		eventually(t, patience, "its checks", func() bool { return v.pc.ICEConnectionState() == webrtc.ICEConnectionStateConnected })
		ends(t, v.session, vanishedWithin, "the viewer without DTLS")
		if seen := v.got(video); len(seen) > 0 {
			t.Errorf("%d packets were sent", len(seen))
		}
		h.watch().waitFor(t, video, 10) // its place was given back
	})
}
