package peer

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/media"
)

// browserOffer is what a browser sends, shortened. Line numbers matter to the tests.
const browserOffer = `v=0
o=- 46117317 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF
m=audio 9 UDP/TLS/RTP/SAVPF 111 0
c=IN IP4 0.0.0.0
a=mid:0
a=sendonly
a=setup:actpass
a=ice-ufrag:EsAw
a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtpmap:0 PCMU/8000
m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 102 103 104
c=IN IP4 0.0.0.0
a=mid:1
a=sendonly
a=setup:actpass
a=ice-ufrag:EsAw
a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y
a=rtcp-mux
a=extmap:3 urn:ietf:params:rtp-hdrext:toffset
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 VP9/90000
a=rtcp-fb:98 nack
a=rtpmap:102 H264/90000
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f
a=rtpmap:103 H264/90000
a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f
a=rtpmap:104 rtx/90000
a=fmtp:104 apt=98
a=simulcast:send 2;1;0
a=candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host
a=candidate:2 1 TCP 1019216383 192.0.2.1 9 typ host tcptype active
a=candidate:3 1 UDP 2130706431 4f2a9c.local 5000 typ host
`

func TestOfferIsCutDown(t *testing.T) {
	o, err := parseOffer([]byte(browserOffer), sends)
	if err != nil {
		t.Fatal(err)
	}
	if want := []media.Codec{media.Opus, media.VP8, media.H264}; !slices.Equal(o.codecs, want) {
		t.Errorf("codecs %v", o.codecs)
	}
	if o.ufrag != "EsAw" || o.candidates != 1 {
		t.Errorf("ufrag %q, %d candidates", o.ufrag, o.candidates)
	}
	text := o.marshal()
	for _, gone := range []string{"PCMU", "VP9", ":98", ":103", ":104", "toffset", "simulcast", "TCP 10", ".local"} {
		if strings.Contains(text, gone) {
			t.Errorf("still has %q", gone)
		}
	}
	for _, kept := range []string{"m=video 9 UDP/TLS/RTP/SAVPF 96 102 97\r\n", "apt=96", "sdes:mid", "192.0.2.1 5000"} {
		if !strings.Contains(text, kept) {
			t.Errorf("lost %q:\n%s", kept, text)
		}
	}
	again, err := parseOffer([]byte(text), sends)
	if err != nil || !slices.Equal(again.codecs, o.codecs) {
		t.Errorf("what we write we cannot read: %v", err)
	}
}

func TestBrokenOffersSayWhichLine(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(browserOffer, old, new, 1) }
	for _, c := range []struct {
		name  string
		offer string
		dir   direction
		line  int
		says  string
	}{
		{"empty", "", sends, 0, "empty"},
		{"only line ends", "\r\n\r\n", sends, 0, "empty"},
		{"JSON", `{"sdp":"v=0"}`, sends, 1, "letter=value"},
		{"not an SDP line", replace("s=-", "hello"), sends, 3, "letter=value"},
		{"wrong order", replace("s=-\n", ""), sends, 3, "not understood"},
		{"bad version", replace("v=0", "v=7"), sends, 1, "not understood"},
		{"bad port", replace("m=audio 9", "m=audio x"), sends, 7, "not understood"},
		{"bad protocol", replace("m=audio 9 UDP", "m=audio 9 UPD"), sends, 7, "not understood"},
		{"port out of range", replace("m=audio 9", "m=audio 65536"), sends, 7, "not understood"},
		{"no payload types", replace("SAVPF 111 0", "SAVPF"), sends, 7, "not understood"},
		{"no time", replace("t=0 0\n", ""), sends, 4, "not understood"},
		{"time too late", replace("t=0 0\na=group:BUNDLE 0 1\n", "a=group:BUNDLE 0 1\nt=0 0\n"), sends, 4, "not understood"},
		{"a name twice", replace("s=-\n", "s=-\ns=-\n"), sends, 4, "not understood"},
		{"an unknown letter", replace("c=IN", "x=IN"), sends, 8, "not understood"},
		{"no time and nothing else", "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nm=audio 9 UDP/TLS/RTP/SAVPF 111\n", sends, 4, "not understood"},
		{"only media", browserOffer[strings.Index(browserOffer, "m=audio"):], sends, 1, "not understood"},
		{"a return in a line", replace("a=mid:0", "a=mid:0\ra=mid:1"), sends, 9, "control character"},
		{"a zero byte in a line", replace("a=mid:0", "a=mid:0\x00"), sends, 9, "control character"},
		{"no media", browserOffer[:strings.Index(browserOffer, "m=audio")], sends, 0, "no m= line"},
		{"data channel", replace("m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"), sends, 7, "only audio and video"},
		{"second audio", replace("m=video", "m=audio"), sends, 17, "second audio"},
		{"viewer at the publisher's door", replace("a=sendonly", "a=recvonly"), sends, 10, "a=sendonly"},
		{"publisher at the viewer's door", browserOffer, receives, 10, "a=recvonly"},
		{"inactive", replace("a=sendonly", "a=inactive"), sends, 10, "a=sendonly"},
		{"no mid", replace("a=mid:0\n", ""), sends, 7, "a=mid"},
		{"no rtcp-mux", replace("a=rtcp-mux\n", ""), sends, 7, "a=rtcp-mux"},
		{"no ufrag", replace("a=ice-ufrag:EsAw\n", ""), sends, 7, "a=ice-ufrag"},
		{"no password", replace("a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\n", ""), sends, 7, "a=ice-pwd"},
		{"no fingerprint", replace("a=fingerprint", "a=finger"), sends, 7, "a=fingerprint"},
		{"passive", replace("a=setup:actpass", "a=setup:passive"), sends, 11, "actpass or active"},
		{"rtpmap without a name", replace("a=rtpmap:111 opus/48000/2", "a=rtpmap:111"), sends, 15, "payload type"},
		{"rtpmap without a rate", replace("opus/48000/2", "opus"), sends, 15, "clock rate"},
		{"too many candidates", browserOffer + strings.Repeat("a=candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host\n", maxCandidates), sends, 0, "candidates"},
		{"too many lines", browserOffer + strings.Repeat("a=x\n", maxLines-strings.Count(browserOffer, "\n")+1), sends, 0, "lines"},
		{"too long", browserOffer + strings.Repeat("a=x\n", MaxSDP/4), sends, 0, "longer than"},
	} {
		for _, dir := range []direction{c.dir, sends + receives - c.dir} {
			text, says := c.offer, c.says
			if dir != c.dir { // the same from the other side
				mirror := strings.NewReplacer("a=sendonly", "a=recvonly", "a=recvonly", "a=sendonly")
				text, says = mirror.Replace(text), mirror.Replace(says)
			}
			_, err := parseOffer([]byte(text), dir)
			var fault *media.SDPError
			if !errors.As(err, &fault) || fault.Line != c.line || !strings.Contains(fault.Reason, says) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	if _, err := parseOffer([]byte(browserOffer+strings.Repeat("a=candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host\n", maxCandidates-1)), sends); err != nil {
		t.Errorf("at the limit of candidates: %v", err)
	}
	if _, err := parseOffer([]byte(browserOffer+strings.Repeat("a=x\n", maxLines-strings.Count(browserOffer, "\n"))), sends); err != nil {
		t.Errorf("at the limit of lines: %v", err)
	}
	if _, err := parseOffer([]byte(browserOffer+strings.Repeat("a=x:"+strings.Repeat("y", 60)+"\n", (MaxSDP-len(browserOffer))/65)), sends); err != nil {
		t.Errorf("at the limit of length: %v", err)
	}
}

func TestOfferOfBundleOnly(t *testing.T) {
	i := strings.Index(viewerOffer, "m=video")
	bare := strings.NewReplacer("m=video 9", "m=video 0", "a=mid:1\n", "a=mid:1\na=bundle-only\n", "a=setup:actpass\n", "",
		"a=ice-ufrag:EsAw\n", "", "a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\n", "").Replace(viewerOffer[i:])
	o, err := parseOffer([]byte(viewerOffer[:i]+bare), receives)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := o.lean(); !ok || o.ufrag != "EsAw" {
		t.Errorf("ufrag %q, lean %v", o.ufrag, ok)
	}
	first := strings.Replace(viewerOffer, "a=mid:0\n", "a=mid:0\na=bundle-only\n", 1)
	first = strings.Replace(first, "a=ice-ufrag:EsAw\n", "", 1)
	var fault *media.SDPError
	if _, err := parseOffer([]byte(first), receives); !errors.As(err, &fault) || fault.Line != 7 {
		t.Errorf("nobody has the transport: %v", err)
	}
}

func TestNoCommonCodec(t *testing.T) {
	for _, c := range []struct{ name, old, new, offered string }{
		{"no opus", "opus/48000/2", "G722/8000", "G722 PCMU"},
		{"only AV1", "VP8/90000", "AV1/90000", "AV1 rtx VP9 H264"},
	} {
		text := strings.Replace(browserOffer, c.old, c.new, 1)
		if c.name == "only AV1" {
			text = strings.Replace(text, "packetization-mode=1;profile-level-id=42e01f", "packetization-mode=1;profile-level-id=640c1f", 1)
		}
		_, err := parseOffer([]byte(text), sends)
		var codec *media.CodecError
		if !errors.As(err, &codec) || strings.Join(codec.Offered, " ") != c.offered || len(codec.Accepted) == 0 {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestFragments(t *testing.T) {
	const good = "a=ice-ufrag:EsAw\r\na=ice-pwd:secret\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n" +
		"a=candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host\r\n" +
		"a=candidate:2 1 TCP 1019216383 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"
	f, err := parseFragment([]byte(good))
	if err != nil || f.ufrag != "EsAw" || f.pwd != "secret" || len(f.candidates) != 1 || f.candidates[0].mid != "0" {
		t.Fatalf("%+v, %v", f, err)
	}
	for name, c := range map[string]struct {
		text string
		line int
	}{
		"empty":           {"", 0},
		"not a line":      {"a=mid:0\r\nboo\r\n", 2},
		"short candidate": {"a=mid:0\r\na=candidate:1 1 UDP\r\n", 2},
		"two generations": {"a=ice-ufrag:A\r\na=ice-ufrag:B\r\n", 2},
		"too long":        {strings.Repeat("a=x\r\n", MaxSDP), 0},
	} {
		_, err := parseFragment([]byte(c.text))
		var fault *media.SDPError
		if !errors.As(err, &fault) || fault.Line != c.line {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswerFragmentNamesOneComponent(t *testing.T) {
	answer := strings.Replace(browserOffer, "a=rtcp-mux\n", "a=rtcp-mux\n"+
		"a=candidate:7 1 udp 2130706431 192.0.2.7 8443 typ host ufrag x\n"+
		"a=candidate:7 2 udp 2130706430 192.0.2.7 8443 typ host ufrag x\na=candidate:odd\n", 1)
	b, err := answerFragment(answer)
	if err != nil {
		t.Fatal(err)
	}
	const want = "a=group:BUNDLE 0 1\r\na=ice-options:trickle\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:0\r\n" +
		"a=ice-ufrag:EsAw\r\na=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y\r\n" +
		"a=candidate:7 1 udp 2130706431 192.0.2.7 8443 typ host ufrag x\r\na=end-of-candidates\r\n"
	if string(b) != want {
		t.Errorf("%q, not %q", b, want)
	}
}
