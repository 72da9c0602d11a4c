package lean

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/ice/v4"
	"github.com/pion/sdp/v3"

	"github.com/rialto-live/rialto/media"
)

const allFeedback = Feedback(1<<len(feedbackNames) - 1)

// twoTracks is what a browser offers to watch.
func twoTracks() *Offer {
	return &Offer{
		Remote: Credentials{UFrag: "EsAw", Pwd: "bP+XJMM09aR8AiX1jdukzR6Y"},
		Sections: []Section{
			{MID: "0", Kind: media.Audio, ReducedSize: true, Formats: []Format{{Codec: media.Opus, Type: 111}}},
			{MID: "1", Kind: media.Video, ReducedSize: true, Formats: []Format{
				{Codec: media.VP8, Type: 96, Repair: 97, Feedback: allFeedback},
				{Codec: media.H264, Type: 109, Repair: 114, Feedback: allFeedback},
			}},
		},
	}
}

var (
	own = Credentials{UFrag: "ownufrag", Pwd: "ownpwdownpwdownpwdownpwd"}
	ids = streamIDs{cname: "rialto", audio: 11, video: 22, repair: 33}
)

func testAnswer(tcp bool, addrs ...string) *answer {
	var fingerprint [32]byte
	for i := range fingerprint {
		fingerprint[i] = byte(i * 0x0b)
	}
	if addrs == nil {
		addrs = []string{"192.0.2.7:8443"}
	}
	var at []netip.AddrPort
	for _, a := range addrs {
		at = append(at, netip.MustParseAddrPort(a))
	}
	return newAnswer(fingerprint, at, tcp)
}

func TestAnswerText(t *testing.T) {
	const transport = `a=ice-ufrag:ownufrag
a=ice-pwd:ownpwdownpwdownpwdownpwd
a=sendonly
a=setup:passive
a=fingerprint:sha-256 00:0B:16:21:2C:37:42:4D:58:63:6E:79:84:8F:9A:A5:B0:BB:C6:D1:DC:E7:F2:FD:08:13:1E:29:34:3F:4A:55
`
	const want = `v=0
o=- 23622320150 1 IN IP4 0.0.0.0
s=-
t=0 0
a=ice-lite
a=group:BUNDLE 0 1
a=ice-options:ice2 trickle
a=msid-semantic:WMS *
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=rtcp-mux
a=rtcp-rsize
a=mid:0
` + transport + `a=candidate:1 1 udp 2130706431 192.0.2.7 8443 typ host
a=candidate:2 1 tcp 1520435199 192.0.2.7 8443 typ host tcptype passive
a=end-of-candidates
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=msid:rialto audio
a=ssrc:11 cname:rialto
a=ssrc:11 msid:rialto audio
m=video 9 UDP/TLS/RTP/SAVPF 96 109 97 114
c=IN IP4 0.0.0.0
a=rtcp-mux
a=mid:1
` + transport + `a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 ccm fir
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:109 H264/90000
a=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtcp-fb:109 nack
a=rtpmap:114 rtx/90000
a=fmtp:114 apt=109
a=msid:rialto video
a=ssrc-group:FID 22 33
a=ssrc:22 cname:rialto
a=ssrc:22 msid:rialto video
a=ssrc:33 cname:rialto
a=ssrc:33 msid:rialto video
`
	o := twoTracks()
	o.Sections[1].ReducedSize = false
	o.Sections[1].Formats[1].Feedback = FeedbackOf("nack") | FeedbackOf("transport-cc")
	got := string(testAnswer(true).write(o, own, ids))
	if got != strings.ReplaceAll(want, "\n", "\r\n") {
		t.Errorf("got\n%s", got)
	}
}

// What is not there is not announced.
func TestAnswerOfLess(t *testing.T) {
	o := twoTracks()
	without := ids
	without.audio = 0
	o.Sections[1].Formats[0].Repair, o.Sections[1].Formats[1].Repair = 0, 0
	text := string(testAnswer(false).write(o, own, without))
	for _, gone := range []string{"rtx", "FID", "ssrc:33", "audio\r\n", " tcp "} {
		if strings.Contains(text, gone) {
			t.Errorf("%q is in\n%s", gone, text)
		}
	}
	o = twoTracks()
	o.Sections[0], o.Sections[1] = o.Sections[1], o.Sections[0]
	without = ids
	without.repair = 0
	text = string(testAnswer(false).write(o, own, without))
	if strings.Contains(text, "FID") || strings.Contains(text, "ssrc:0") {
		t.Errorf("repairs without a stream:\n%s", text)
	}
	if !strings.Contains(text, "a=group:BUNDLE 1 0\r\n") || strings.Index(text, "candidate") > strings.Index(text, "m=audio") {
		t.Errorf("the order of the offer is lost:\n%s", text)
	}
}

func TestCandidates(t *testing.T) {
	a := testAnswer(true, "192.0.2.7:8443", "[2001:db8::7]:8443", "[::ffff:192.0.2.8]:443", "[fe80::1%eth0]:8443")
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(string(a.write(twoTracks(), own, ids))); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	var priorities []uint32
	foundations := map[string]bool{}
	for _, at := range desc.MediaDescriptions[0].Attributes {
		if at.Key != "candidate" {
			continue
		}
		c, err := ice.UnmarshalCandidate(at.Value)
		if err != nil {
			t.Fatalf("%s: %v", at.Value, err)
		}
		addrs = append(addrs, c.NetworkType().NetworkShort()+" "+c.TCPType().String()+" "+c.Address()+" "+strconv.Itoa(c.Port()))
		priorities = append(priorities, c.Priority())
		foundations[c.Foundation()] = true
		if c.Component() != 1 || c.Type() != ice.CandidateTypeHost {
			t.Errorf("%s", at.Value)
		}
	}
	want := []string{
		"udp unspecified 192.0.2.7 8443", "udp unspecified 2001:db8::7 8443", "udp unspecified 192.0.2.8 443", "udp unspecified fe80::1 8443",
		"tcp passive 192.0.2.7 8443", "tcp passive 2001:db8::7 8443", "tcp passive 192.0.2.8 443", "tcp passive fe80::1 8443",
	}
	for i := range want {
		want[i] = strings.Replace(want[i], "unspecified", ice.TCPTypeUnspecified.String(), 1)
	}
	if !slices.Equal(addrs, want) {
		t.Errorf("%q", addrs)
	}
	if len(foundations) != len(want) {
		t.Errorf("candidates share foundations: %v", foundations)
	}
	for i, p := range priorities {
		if i > 0 && p >= priorities[i-1] {
			t.Errorf("priorities are not those of the order: %v", priorities)
		}
		if typ := p >> 24; i < 4 && typ != 126 || i >= 4 && (typ >= 126 || p>>8>>13&7 != 4) {
			t.Errorf("priority %d of %s", p, addrs[i])
		}
	}
	if slices.ContainsFunc(desc.MediaDescriptions[1].Attributes, func(a sdp.Attribute) bool { return a.Key == "candidate" }) {
		t.Error("candidates in the second section")
	}
}

func TestAnswerFragment(t *testing.T) {
	a := testAnswer(true)
	const want = "a=group:BUNDLE 0 1\r\na=ice-options:trickle\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n" +
		"a=ice-ufrag:ownufrag\r\na=ice-pwd:ownpwdownpwdownpwdownpwd\r\n" +
		"a=candidate:1 1 udp 2130706431 192.0.2.7 8443 typ host\r\n"
	const end = "a=end-of-candidates\r\n"
	if got := string(a.fragment(twoTracks(), own, false)); got != want+end {
		t.Errorf("%q", got)
	}
	if got := string(a.fragment(twoTracks(), own, true)); got != want+a.tcp+end || a.tcp == "" {
		t.Errorf("of a client on TCP: %q", got)
	}
}

// FuzzAnswer: whatever passes as an offer is answered with a text that others read, and that names nothing else.
func FuzzAnswer(f *testing.F) {
	f.Add("0", "1", uint8(96), uint8(97), uint8(111), uint8(allFeedback), uint32(22), uint32(33), true)
	f.Add("video0", "a", uint8(127), uint8(0), uint8(0), uint8(1), uint32(1), uint32(0), false)
	f.Fuzz(func(t *testing.T, first, second string, video, repair, audio, feedback uint8, ssrc, repairSSRC uint32, both bool) {
		if strings.ContainsAny(first+second, "\r\n\x00 ") || first == "" || second == "" || first == second {
			return // not a name
		}
		o := &Offer{Sections: []Section{{MID: first, Kind: media.Video, Formats: []Format{
			{Codec: media.H264, Type: video & 127, Repair: repair & 127, Feedback: Feedback(feedback) & allFeedback},
		}}}}
		if both {
			o.Sections = append(o.Sections, Section{MID: second, Kind: media.Audio, Formats: []Format{{Codec: media.Opus, Type: audio & 127}}})
		}
		text := string(testAnswer(both).write(o, own, streamIDs{cname: "c", video: ssrc, repair: repairSSRC}))
		var desc sdp.SessionDescription
		if err := desc.UnmarshalString(text); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if len(desc.MediaDescriptions) != len(o.Sections) {
			t.Fatalf("%d sections in\n%s", len(desc.MediaDescriptions), text)
		}
		for i, m := range desc.MediaDescriptions {
			if mid, _ := m.Attribute("mid"); mid != o.Sections[i].MID {
				t.Errorf("mid %q is not %q", mid, o.Sections[i].MID)
			}
			want := []string{strconv.Itoa(int(o.Sections[i].Formats[0].Type))}
			if r := o.Sections[i].Formats[0].Repair; r != 0 {
				want = append(want, strconv.Itoa(int(r)))
			}
			if !slices.Equal(m.MediaName.Formats, want) {
				t.Errorf("formats %v are not %v", m.MediaName.Formats, want)
			}
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	a, o := testAnswer(true), twoTracks()
	b.ReportAllocs()
	for b.Loop() {
		a.write(o, own, ids)
	}
}
