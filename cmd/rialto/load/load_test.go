package load

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/whip"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// patience bounds what is no promise; nothing waits for it when all is well.
const patience = 30 * time.Second

func publish(t *testing.T, n *whiptest.Node, stream string) {
	t.Helper()
	source, err := client.NewClipSource()
	if err != nil {
		t.Fatal(err)
	}
	n.Publish(t, stream, "acc_mara", source)
	whiptest.Await(t, n.Watch(t, client.ViewerConfig{URL: n.WHEP(stream)}), patience, func(s client.ViewerStats) bool { return s.Video.Frames > 0 })
}

func open(t *testing.T, c Config) *Crowd {
	t.Helper()
	crowd, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(crowd.Close)
	if err := crowd.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	return crowd
}

func (c *Crowd) await(t *testing.T, what string, come func(Stats) bool) Stats {
	t.Helper()
	deadline, look := time.Now().Add(patience), time.NewTicker(20*time.Millisecond)
	defer look.Stop()
	for {
		s := c.Stats()
		if come(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: never; %+v", what, s)
		}
		<-look.C
	}
}

// A crowd sees what a player would: the whole first picture and every packet after, in a session that lasts.
func TestCrowdWatches(t *testing.T) {
	n := whiptest.Start(t)
	publish(t, n, "shw_a")
	seen := make(chan Packet, 4096)
	crowd := open(t, Config{URL: n.WHEP("shw_a"), Viewers: 21, Retry: true, OnPacket: func(p Packet) {
		select {
		case seen <- Packet{Video: p.Video, Early: p.Early, Payload: bytes.Clone(p.Payload)}:
		default:
		}
	}})
	s := crowd.await(t, "pictures and sound for all, and one asks for packets again", func(s Stats) bool {
		return s.Playing == 21 && s.Audio > 21*50 && s.Video > 21*100 && s.Repeated > 0
	})
	if s.Joined != 21 || s.Answered != 21 || s.Ended != 0 || len(s.Refused)+len(s.Failed) != 0 {
		t.Errorf("%+v", s)
	}
	if s.Broken != 0 || s.Checked == 0 || s.Lost != 0 || s.PublisherCodec != "VP8" {
		t.Errorf("%+v", s)
	}
	if len(s.FirstPictures) != 21 || s.FirstPictures[0] <= 0 {
		t.Errorf("first pictures %v", s.FirstPictures)
	}
	if first := <-seen; len(first.Payload) == 0 {
		t.Error("a packet without a payload was shown")
	}
	crowd.Close()
	if left := crowd.Stats(); left.Ended != 0 {
		t.Errorf("who left was ended by the server: %+v", left)
	}
}

// A server that opens the DTLS connection itself, as most do, is watched as well.
func TestServerMayBeActive(t *testing.T) {
	server := activeServer(t, func(*webrtc.SettingEngine) {})
	crowd := open(t, Config{URL: server, Viewers: 2})
	crowd.await(t, "two play", func(s Stats) bool { return s.Playing == 2 && s.Broken == 0 })
}

// A crowd that is to watch over TCP uses nothing else.
func TestOverTCP(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := webrtc.NewICETCPMux(nil, l, 16)
	t.Cleanup(func() { _ = mux.Close() })
	server := activeServer(t, func(s *webrtc.SettingEngine) {
		s.SetICETCPMux(mux)
		s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeTCP4})
	})
	crowd := open(t, Config{URL: server, Viewers: 3, TCP: true})
	crowd.await(t, "three play", func(s Stats) bool { return s.Playing == 3 && s.Broken == 0 })
	for _, v := range crowd.viewers {
		if at := *v.path.Load(); v.wire.LocalAddr().Network() != "tcp" || at.Port() != uint16(l.Addr().(*net.TCPAddr).Port) {
			t.Errorf("it watches over %s from %v", v.wire.LocalAddr().Network(), at)
		}
	}
	udpOnly := open(t, Config{URL: activeServer(t, func(*webrtc.SettingEngine) {}), Viewers: 1, TCP: true})
	for why := range udpOnly.Stats().Failed {
		if !strings.Contains(why, "no passive TCP candidate") {
			t.Error(why)
		}
	}
	if s := udpOnly.Stats(); s.Joined != 0 || len(s.Failed) != 1 {
		t.Errorf("%+v", s)
	}
}

func TestEndedByTheServer(t *testing.T) {
	n := whiptest.Start(t)
	publish(t, n, "shw_a")
	crowd := open(t, Config{URL: n.WHEP("shw_a"), Viewers: 3, Retry: true})
	crowd.await(t, "three play", func(s Stats) bool { return s.Playing == 3 })
	n.Relay.Close("shw_a")
	crowd.await(t, "all are ended", func(s Stats) bool { return s.Ended == 3 })
}

func TestRefusalsAreCountedByStatus(t *testing.T) {
	n := whiptest.Start(t)
	crowd := open(t, Config{URL: n.WHEP("shw_ended"), Viewers: 5})
	if s := crowd.Stats(); s.Refused[410] != 5 || s.Joined != 0 || s.Answered != 5 {
		t.Errorf("%+v", s)
	}
	nobody := open(t, Config{URL: "http://127.0.0.1:1/whep/shw_a", Viewers: 2})
	if s := nobody.Stats(); s.Failed["dial: connect: connection refused"] != 2 {
		t.Errorf("%+v", s)
	}
}

// More join from one machine than one address may: each comes from another.
func TestNoRateCapInTheWay(t *testing.T) {
	n := whiptest.Start(t, func(_ *media.Config, c *whip.Config) { c.Limits = whip.Limits{PostsPerSecond: 1e-3, PostBurst: 1} })
	crowd := open(t, Config{URL: n.WHEP("shw_ended"), Viewers: 20})
	if s := crowd.Stats(); s.Refused[410] != 20 {
		t.Errorf("%+v", s)
	}
}

func TestWatchTellsAndSums(t *testing.T) {
	n := whiptest.Start(t)
	publish(t, n, "shw_a")
	var out strings.Builder
	if err := Watch(t.Context(), Config{URL: n.WHEP("shw_a"), Viewers: 4, Retry: true}, 4*time.Second, &out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{"4 of 4 joined", "joined        4, of them playing 4", "first picture p50", "video (VP8)", "lost          0;"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if m := regexp.MustCompile(`packets       (\d+) video`).FindStringSubmatch(text); m == nil || m[1] == "0" {
		t.Errorf("no packets in\n%s", text)
	}
	if err := Watch(t.Context(), Config{URL: n.WHEP("shw_ended"), Viewers: 2}, time.Second, &out); err == nil || err.Error() != "none of 2 viewers could join" {
		t.Errorf("when nobody could join: %v", err)
	}
}

// A person who has had enough ends it, also while viewers join.
func TestWatchEndsWhenTold(t *testing.T) {
	n := whiptest.Start(t)
	publish(t, n, "shw_a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	_ = Watch(ctx, Config{URL: n.WHEP("shw_a"), Viewers: 50}, 0, &out) // how many got in is chance
	if !strings.Contains(out.String(), "joined") {
		t.Errorf("it ends without a summary:\n%s", out.String())
	}
}

func TestValidate(t *testing.T) {
	const here = "http://127.0.0.1:8080/whep/a"
	for _, tc := range []struct {
		name   string
		config Config
		says   string // "" is fine
	}{
		{"loopback", Config{URL: here, Viewers: 1}, ""},
		{"most", Config{URL: here, Viewers: MaxViewers}, ""},
		{"a name", Config{URL: "http://localhost/whep/a", Viewers: 1}, ""},
		{"version 6", Config{URL: "http://[::1]:80/whep/a", Viewers: 1}, ""},
		{"one too many", Config{URL: here, Viewers: MaxViewers + 1}, "--viewers is 1 to 10000, not 10001"},
		{"nobody", Config{URL: here}, "--viewers is 1 to 10000, not 0"},
		{"no address", Config{Viewers: 1}, "--url is missing"},
		{"no scheme", Config{URL: "127.0.0.1/whep/a", Viewers: 1}, "no http or https address"},
		{"a file", Config{URL: "file:///etc/hosts", Viewers: 1}, "no http or https address"},
		{"another machine", Config{URL: "http://192.0.2.1/whep/a", Viewers: 1}, "is not on this machine"},
		{"another name", Config{URL: "https://localhost.example/whep/a", Viewers: 1}, "is not on this machine"},
		{"it is meant", Config{URL: "http://192.0.2.1/whep/a", Viewers: 1, Anywhere: true}, ""},
		{"evenly", Config{URL: here, Viewers: 1, Rate: maxRate}, ""},
		{"too fast", Config{URL: here, Viewers: 1, Rate: maxRate + 1}, "--rate is 0 to 1000, not 1001"},
		{"backwards", Config{URL: here, Viewers: 1, Rate: -1}, "--rate is 0 to 1000, not -1"},
		{"less than none at once", Config{URL: here, Viewers: 1, AtOnce: -1}, "--at-once must not be negative"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.config.Validate()
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("%v, want %q", err, tc.says)
			}
		})
	}
}

// Neither a redirect nor a candidate leads a load to another machine.
func TestNothingLeadsAway(t *testing.T) {
	n := whiptest.Start(t, func(_ *media.Config, c *whip.Config) {
		c.Locate = func(context.Context, media.StreamID) (string, error) { return "http://192.0.2.1", nil }
	})
	crowd := open(t, Config{URL: n.WHEP("shw_a"), Viewers: 1})
	for why := range crowd.Stats().Failed {
		if !strings.Contains(why, "is not on this machine") {
			t.Error(why)
		}
	}
	if got := len(crowd.Stats().Failed); got != 1 {
		t.Errorf("%d causes", got)
	}
	away, here := netip.MustParseAddrPort("192.0.2.1:5000"), netip.MustParseAddrPort("127.0.0.1:5000")
	a := &answer{candidates: []netip.AddrPort{away, here}}
	if err := crowd.keepNear(a); err != nil || len(a.candidates) != 1 || a.candidates[0] != here {
		t.Errorf("%v, %v", a.candidates, err)
	}
	if err := crowd.keepNear(&answer{candidates: []netip.AddrPort{away}}); err == nil {
		t.Error("a server whose media is elsewhere was taken")
	}
}

func TestTrackCounts(t *testing.T) {
	for _, tc := range []struct {
		name                    string
		seqs                    []uint16
		packets, repeated, lost int64
	}{
		{"in order", []uint16{5, 6, 7}, 3, 0, 0},
		{"a gap", []uint16{5, 8}, 2, 0, 2},
		{"a gap that is filled", []uint16{5, 8, 6, 7}, 4, 0, 0},
		{"twice", []uint16{5, 6, 6, 5}, 2, 2, 0},
		{"over the end", []uint16{65534, 65535, 0, 1}, 4, 0, 0},
		{"the first comes second", []uint16{6, 5, 7}, 3, 0, 0},
		{"too late to tell", []uint16{5, 5 + window, 5}, 2, 1, window - 1},
		{"just in time", []uint16{5, 6 + window, 7, 7}, 3, 1, window - 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var k track
			for _, seq := range tc.seqs {
				k.arrive(1, seq, 100)
			}
			if k.packets != tc.packets || k.repeated != tc.repeated || k.lost() != tc.lost || k.bytes != int64(len(tc.seqs))*100 {
				t.Errorf("%d packets, %d repeated, %d lost", k.packets, k.repeated, k.lost())
			}
		})
	}
	var k track
	k.arrive(1, 5, 1)
	k.arrive(1, 7, 1)
	k.arrive(2, 9000, 1) // another source: no loss of its own, and the old one stays told
	if k.lost() != 1 || k.packets != 3 {
		t.Errorf("%d packets, %d lost", k.packets, k.lost())
	}
}

func TestFirstPicture(t *testing.T) {
	key, delta, rest := []byte{0x10, 0x00}, []byte{0x10, 0x01}, []byte{0x00, 0x00}
	type packet struct {
		seq    uint16
		time   uint32
		marker bool
		data   []byte
	}
	for _, tc := range []struct {
		name string
		in   []packet
		at   int // which makes it whole; -1: none
	}{
		{"one packet", []packet{{1, 1, true, key}}, 0},
		{"three", []packet{{1, 1, false, key}, {2, 1, false, rest}, {3, 1, true, rest}}, 2},
		{"out of order", []packet{{65535, 1, false, key}, {1, 1, true, rest}, {0, 1, false, rest}}, 2},
		{"a hole", []packet{{1, 1, false, key}, {3, 1, true, rest}, {4, 2, true, delta}}, -1},
		{"no keyframe", []packet{{1, 1, true, delta}, {2, 2, true, delta}}, -1},
		{"the next keyframe", []packet{{1, 1, false, key}, {3, 1, true, rest}, {4, 2, true, key}}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p picture
			at := -1
			for i, k := range tc.in {
				if p.add("VP8", k.seq, k.time, k.marker, k.data) && at < 0 {
					at = i
				}
			}
			if at != tc.at {
				t.Errorf("whole with packet %d, want %d", at, tc.at)
			}
		})
	}
}

func TestBeginsKeyframe(t *testing.T) {
	for _, tc := range []struct {
		name, codec string
		b           []byte
		want        bool
	}{
		{"vp8", "VP8", []byte{0x10, 0x00}, true},
		{"vp8 delta", "VP8", []byte{0x10, 0x01}, false},
		{"vp8 middle", "VP8", []byte{0x00, 0x00}, false},
		{"vp8 second partition", "VP8", []byte{0x11, 0x00}, false},
		{"vp8 with 7 bits", "VP8", []byte{0x90, 0x80, 0x05, 0x00}, true},
		{"vp8 with 15 bits and layers", "VP8", []byte{0x90, 0xf0, 0x85, 0x01, 0x07, 0x20, 0x00}, true},
		{"vp8 cut short", "VP8", []byte{0x90, 0xf0, 0x85}, false},
		{"h264 parameters", "H264", []byte{0x67, 0x42}, true},
		{"h264 picture", "H264", []byte{0x65, 0x00}, true},
		{"h264 slice", "H264", []byte{0x41, 0x00}, false},
		{"h264 aggregate", "H264", []byte{0x78, 0x00, 0x09, 0x67}, true},
		{"h264 fragment", "H264", []byte{0x7c, 0x85}, true},
		{"h264 later fragment", "H264", []byte{0x7c, 0x05}, false},
		{"others", "AV1", []byte{0x00}, true},
		{"nothing", "H264", nil, false},
	} {
		if got := beginsKeyframe(tc.codec, tc.b); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestReadAnswerSaysWhatIsMissing(t *testing.T) {
	const whole = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-256 aa:bb\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=setup:active\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n" +
		"a=candidate:1 1 tcp 1 127.0.0.1 9 typ host\r\na=candidate:1 1 udp 1 ::1 9 typ host\r\na=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\n"
	var audio, video track
	a, err := readAnswer(whole, false, &audio, &video)
	if err != nil {
		t.Fatal(err)
	}
	if !a.active || a.remote.fingerprint != "AA:BB" || len(a.candidates) != 1 || a.formats[96].track != &video || a.formats[97].track != nil || !a.formats[97].known {
		t.Errorf("%+v", a)
	}
	for line, says := range map[string]string{
		"a=ice-pwd:p\r\n": "no ICE credentials", "a=fingerprint:sha-256 aa:bb\r\n": "no sha-256 fingerprint",
		"a=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\n": "no UDP candidate",
	} {
		if _, err := readAnswer(strings.Replace(whole, line, "", 1), false, &audio, &video); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if _, err := readAnswer("nonsense", false, &audio, &video); err == nil {
		t.Error("nonsense was read")
	}
}

func TestPercentile(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(i+1))
	}
	for p, want := range map[int]time.Duration{0: 1, 1: 1, 50: 50, 99: 99, 100: 100} {
		if got := Percentile(times, p); got != want {
			t.Errorf("p%s is %d", strconv.Itoa(p), got)
		}
	}
	if Percentile(times[:1], 99) != 1 || Percentile(nil, 50) != 0 {
		t.Error("of one, or of none")
	}
}
