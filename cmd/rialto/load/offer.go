package load

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// credentials are one side's ICE names and DTLS fingerprint.
type credentials struct {
	ufrag, pwd, fingerprint string
}

// newCredentials are fresh for each session. ICE wants at least 24 and 128 bits.
func newCredentials(fingerprint string) credentials {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	text := hex.EncodeToString(b)
	return credentials{ufrag: text[:8], pwd: text[8:], fingerprint: fingerprint}
}

// Payload types as Chromium numbers them. What follows a codec is its retransmission format.
var (
	audioFormats = []string{
		"111 opus/48000/2|minptime=10;useinbandfec=1", "63 red/48000/2|111/111", "9 G722/8000", "0 PCMU/8000", "8 PCMA/8000",
		"13 CN/8000", "110 telephone-event/48000", "126 telephone-event/8000",
	}
	videoFormats = []string{
		"96 VP8/90000", "97 rtx/90000|apt=96",
		"103 H264/90000|level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f", "104 rtx/90000|apt=103",
		"107 H264/90000|level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f", "108 rtx/90000|apt=107",
		"109 H264/90000|level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", "114 rtx/90000|apt=109",
		"115 H264/90000|level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f", "116 rtx/90000|apt=115",
		"117 H264/90000|level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f", "118 rtx/90000|apt=117",
		"39 H264/90000|level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d001f", "40 rtx/90000|apt=39",
		"45 AV1/90000|level-idx=5;profile=0;tier=0", "46 rtx/90000|apt=45",
		"98 VP9/90000|profile-id=0", "99 rtx/90000|apt=98", "100 VP9/90000|profile-id=2", "101 rtx/90000|apt=100",
		"112 red/90000", "113 rtx/90000|apt=112", "124 ulpfec/90000",
	}
	audioExtensions = []string{
		"1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", "2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
		"3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", "4 urn:ietf:params:rtp-hdrext:sdes:mid",
	}
	videoExtensions = []string{
		"14 urn:ietf:params:rtp-hdrext:toffset", "2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
		"13 urn:3gpp:video-orientation", "3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
		"5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay", "6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
		"7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing", "8 http://www.webrtc.org/experiments/rtp-hdrext/color-space",
		"4 urn:ietf:params:rtp-hdrext:sdes:mid", "10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
		"11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
	}
)

// discardPort is what an active TCP candidate has for a port (RFC 6544 section 4.5): nobody connects to it.
const discardPort = 9

// writeOffer writes what Chromium offers to watch one audio and one video track: reading it is a part of what a join
// costs a server. at is the one candidate, of UDP or of active TCP.
func writeOffer(own credentials, at netip.AddrPort, tcp bool) string {
	candidate := fmt.Sprintf("1 1 udp 2122260223 %s %d typ host generation 0 network-id 1", at.Addr(), at.Port())
	if tcp {
		candidate = fmt.Sprintf("1 1 tcp 1518280447 %s %d typ host tcptype active generation 0 network-id 1", at.Addr(), at.Port())
	}
	var b strings.Builder
	b.WriteString("v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
		"a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n")
	writeSection(&b, "audio", 0, own, at, candidate, audioExtensions, audioFormats, "transport-cc")
	writeSection(&b, "video", 1, own, at, candidate, videoExtensions, videoFormats, "goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
	return b.String()
}

func writeSection(b *strings.Builder, kind string, mid int, own credentials, at netip.AddrPort, candidate string, extensions, formats []string, feedback ...string) {
	fmt.Fprintf(b, "m=%s %d UDP/TLS/RTP/SAVPF", kind, at.Port())
	for _, f := range formats {
		pt, _, _ := strings.Cut(f, " ")
		b.WriteString(" " + pt)
	}
	fmt.Fprintf(b, "\r\nc=IN IP4 %s\r\na=rtcp:9 IN IP4 0.0.0.0\r\n", at.Addr())
	fmt.Fprintf(b, "a=candidate:%s\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=ice-options:trickle\r\na=fingerprint:sha-256 %s\r\na=setup:actpass\r\na=mid:%d\r\n",
		candidate, own.ufrag, own.pwd, own.fingerprint, mid)
	for _, e := range extensions {
		b.WriteString("a=extmap:" + e + "\r\n")
	}
	b.WriteString("a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n")
	for _, f := range formats {
		f, parameters, _ := strings.Cut(f, "|")
		pt, name, _ := strings.Cut(f, " ")
		fmt.Fprintf(b, "a=rtpmap:%s %s\r\n", pt, name)
		if codec, _, _ := strings.Cut(name, "/"); codec == "opus" || mid == 1 && codec != "rtx" && codec != "red" && codec != "ulpfec" {
			for _, fb := range feedback {
				fmt.Fprintf(b, "a=rtcp-fb:%s %s\r\n", pt, fb)
			}
		}
		if parameters != "" {
			fmt.Fprintf(b, "a=fmtp:%s %s\r\n", pt, parameters)
		}
	}
}

// format is what a payload type carries.
type format struct {
	track *track // nil: a retransmission format, or nothing that was negotiated
	codec string // "VP8", "H264", "opus"
	known bool
}

// answer is what the server said.
type answer struct {
	remote     credentials
	active     bool // the server opens the DTLS connection
	tcp        bool // candidates are of TCP, not of UDP
	candidates []netip.AddrPort
	formats    [128]format
}

// readAnswer reads an SDP answer, and of its candidates those of one protocol. The tracks are those of the viewer, for its payload types to point at.
func readAnswer(text string, tcp bool, audio, video *track) (*answer, error) {
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("the server's answer: %w", err)
	}
	a := &answer{tcp: tcp}
	a.readTransport(desc.Attributes)
	for _, m := range desc.MediaDescriptions {
		a.readTransport(m.Attributes)
		t := audio
		if m.MediaName.Media == "video" {
			t = video
		}
		a.readFormats(m.Attributes, t)
	}
	switch {
	case a.remote.ufrag == "" || a.remote.pwd == "":
		return nil, fmt.Errorf("the server's answer has no ICE credentials")
	case a.remote.fingerprint == "":
		return nil, fmt.Errorf("the server's answer has no sha-256 fingerprint")
	case len(a.candidates) == 0 && tcp:
		return nil, fmt.Errorf("the server's answer has no passive TCP candidate with an IPv4 address")
	case len(a.candidates) == 0:
		return nil, fmt.Errorf("the server's answer has no UDP candidate with an IPv4 address")
	}
	return a, nil
}

func (a *answer) readTransport(attributes []sdp.Attribute) {
	for _, at := range attributes {
		switch at.Key {
		case "ice-ufrag":
			a.remote.ufrag = at.Value
		case "ice-pwd":
			a.remote.pwd = at.Value
		case "setup":
			a.active = at.Value == "active"
		case "fingerprint":
			if hash, value, _ := strings.Cut(at.Value, " "); strings.EqualFold(hash, "sha-256") {
				a.remote.fingerprint = strings.ToUpper(value)
			}
		case "candidate":
			if c, ok := readCandidate(at.Value, a.tcp); ok && len(a.candidates) < maxCandidates {
				a.candidates = append(a.candidates, c)
			}
		}
	}
}

// readCandidate takes what can be reached over IPv4 and the one protocol: "1 1 udp 2130706431 127.0.0.1 8443 typ host" or
// "1 1 tcp 1671430143 127.0.0.1 8443 typ host tcptype passive".
func readCandidate(value string, tcp bool) (netip.AddrPort, bool) {
	f := strings.Fields(value)
	protocol := "udp"
	if tcp {
		protocol = "tcp"
	}
	if len(f) < 8 || !strings.EqualFold(f[2], protocol) || f[1] != "1" {
		return netip.AddrPort{}, false
	}
	if tcp && (len(f) < 10 || f[8] != "tcptype" || f[9] != "passive") {
		return netip.AddrPort{}, false
	}
	ip, err := netip.ParseAddr(f[4])
	port, perr := strconv.ParseUint(f[5], 10, 16)
	return netip.AddrPortFrom(ip, uint16(port)), err == nil && perr == nil && ip.Is4()
}

func (a *answer) readFormats(attributes []sdp.Attribute, t *track) {
	for _, at := range attributes {
		number, name, _ := strings.Cut(at.Value, " ")
		pt, err := strconv.ParseUint(number, 10, 7)
		if at.Key != "rtpmap" || err != nil {
			continue
		}
		codec, _, _ := strings.Cut(name, "/")
		f := format{codec: codec, track: t, known: true}
		if strings.EqualFold(codec, "rtx") {
			f.track = nil
		}
		a.formats[pt] = f
	}
}
