package lean

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rialto-live/rialto/media"
)

// Priorities of candidates (RFC 8445 section 5.1.2.1). Each address has a local preference of its own. Those of TCP are
// built by RFC 6544 section 4.2: 4 is the direction preference of a passive host candidate, and the type preference is
// below that of UDP so that nobody ends up on TCP who need not.
const (
	hostUDP        = 126 << 24
	hostTCP        = 90 << 24
	maxPreference  = 1<<16 - 1
	passive        = 4 << 13
	maxOther       = 1<<13 - 1
	componentRTP   = 256 - 1
	answerCapacity = 2048 // of an answer without its candidates; two sections with both video codecs fit
)

// lines of the SDP for each codec, and what of its fmtp stands.
var codecNames = [...]struct{ rtpmap, fmtp string }{
	media.Opus: {"opus/48000/2", "minptime=10;useinbandfec=1"},
	media.VP8:  {"VP8/90000", ""},
	media.H264: {"H264/90000", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"},
}

// streamIDs are the SSRCs of one viewer's streams; 0 where there is none. cname is also the id of the one media stream
// that both tracks are of, so that players keep them in step. It is a token.
type streamIDs struct {
	cname                string
	audio, video, repair uint32
}

// answer writes the answers of all viewers. It is static after newAnswer.
type answer struct {
	fingerprint string // with a=setup
	udp, tcp    string // candidates
}

// newAnswer makes what is the same in every answer. addrs are what clients reach the one port by, IPv4 or IPv6, the best
// first. With tcp the same addresses and ports are reached over TCP too.
func newAnswer(fingerprint [32]byte, addrs []netip.AddrPort, tcp bool) *answer {
	a := &answer{fingerprint: "a=setup:passive\r\na=fingerprint:sha-256 " + colons(fingerprint) + "\r\n"}
	for i, at := range addrs {
		a.udp += candidate(i+1, "udp", hostUDP|uint32(max(maxPreference-i, 0))<<8|componentRTP, at, "")
		if tcp {
			preference := passive | uint32(max(maxOther-i, 0))
			a.tcp += candidate(len(addrs)+i+1, "tcp", hostTCP|preference<<8|componentRTP, at, " tcptype passive")
		}
	}
	return a
}

// candidate writes one line. A foundation is of one address and one protocol, so each candidate has its own.
func candidate(foundation int, protocol string, priority uint32, at netip.AddrPort, more string) string {
	return "a=candidate:" + strconv.Itoa(foundation) + " 1 " + protocol + " " + strconv.FormatUint(uint64(priority), 10) +
		" " + at.Addr().Unmap().WithZone("").String() + " " + strconv.Itoa(int(at.Port())) + " typ host" + more + "\r\n"
}

func colons(fingerprint [32]byte) string {
	text := make([]byte, 0, 3*len(fingerprint))
	for i, b := range fingerprint {
		if i > 0 {
			text = append(text, ':')
		}
		text = hex.AppendEncode(text, []byte{b})
	}
	return strings.ToUpper(string(text))
}

// write answers an offer. The sections are those of the offer, each with every format it names.
func (a *answer) write(o *Offer, own Credentials, ids streamIDs) []byte {
	b := make(text, 0, answerCapacity+len(a.udp)+len(a.tcp))
	b.add("v=0\r\no=- ")
	// RFC 3264 asks for a number that is unique to the session, of 63 bits.
	b.number(uint64(ids.audio)<<31 ^ uint64(ids.video))
	b.add(" 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n")
	b.group(o)
	// RFC 8445 section 10 asks for ice2. Candidates may be trickled to us: nobody reads them, nobody minds.
	b.add("a=ice-options:ice2 trickle\r\na=msid-semantic:WMS *\r\n")
	for i := range o.Sections {
		s := &o.Sections[i]
		b.media(s)
		b.add("c=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n")
		if s.ReducedSize {
			b.add("a=rtcp-rsize\r\n")
		}
		b.credentials(s, own)
		b.add("a=sendonly\r\n", a.fingerprint)
		if i == 0 { // all are bundled with the first
			b.add(a.udp, a.tcp, "a=end-of-candidates\r\n")
		}
		for _, f := range s.Formats {
			b.format(f)
		}
		if s.Kind == media.Audio {
			b.streams(s, ids, ids.audio, 0)
		} else {
			b.streams(s, ids, ids.video, ids.repair)
		}
	}
	return b
}

// fragment answers an ICE restart (application/trickle-ice-sdpfrag, RFC 8840). TCP is named only to a client that is on
// TCP: the npm client whip-whep cannot read a fragment with two candidates.
func (a *answer) fragment(o *Offer, own Credentials, tcp bool) []byte {
	b := make(text, 0, answerCapacity/4+len(a.udp)+len(a.tcp))
	b.group(o)
	b.add("a=ice-options:trickle\r\n")
	b.media(&o.Sections[0])
	b.credentials(&o.Sections[0], own)
	b.add(a.udp)
	if tcp {
		b.add(a.tcp)
	}
	b.add("a=end-of-candidates\r\n")
	return b
}

// text is SDP in the making.
type text []byte

func (b *text) add(parts ...string) {
	for _, p := range parts {
		*b = append(*b, p...)
	}
}

func (b *text) number(n uint64) { *b = strconv.AppendUint(*b, n, 10) }

func (b *text) group(o *Offer) {
	b.add("a=group:BUNDLE")
	for i := range o.Sections {
		b.add(" ", o.Sections[i].MID)
	}
	b.add("\r\n")
}

// media writes the m= line: the formats in the order of the offer, then what repairs them.
func (b *text) media(s *Section) {
	b.add("m=", s.Kind.String(), " 9 UDP/TLS/RTP/SAVPF")
	for _, f := range s.Formats {
		b.add(" ")
		b.number(uint64(f.Type))
	}
	for _, f := range s.Formats {
		if f.Repair != 0 {
			b.add(" ")
			b.number(uint64(f.Repair))
		}
	}
	b.add("\r\n")
}

func (b *text) credentials(s *Section, own Credentials) {
	b.add("a=mid:", s.MID, "\r\na=ice-ufrag:", own.UFrag, "\r\na=ice-pwd:", own.Pwd, "\r\n")
}

// attribute begins a line about a payload type.
func (b *text) attribute(name string, number uint8) {
	b.add("a=", name, ":")
	b.number(uint64(number))
	b.add(" ")
}

func (b *text) format(f Format) {
	names := codecNames[f.Codec]
	b.attribute("rtpmap", f.Type)
	b.add(names.rtpmap, "\r\n")
	if names.fmtp != "" {
		b.attribute("fmtp", f.Type)
		b.add(names.fmtp, "\r\n")
	}
	for i, name := range feedbackNames {
		if f.Feedback&(1<<i) != 0 {
			b.attribute("rtcp-fb", f.Type)
			b.add(name, "\r\n")
		}
	}
	if f.Repair != 0 {
		b.attribute("rtpmap", f.Repair)
		b.add("rtx/90000\r\n")
		b.attribute("fmtp", f.Repair)
		b.add("apt=")
		b.number(uint64(f.Type))
		b.add("\r\n")
	}
}

// streams announces what will be sent. The lines of the primary stream stand before those of its repairs: the other way
// round Chromium shows no stream, and no error.
func (b *text) streams(s *Section, ids streamIDs, primary, repair uint32) {
	if primary == 0 {
		return
	}
	b.add("a=msid:", ids.cname, " ", s.Kind.String(), "\r\n")
	repaired := repair != 0 && s.repairs()
	if repaired {
		b.add("a=ssrc-group:FID ")
		b.number(uint64(primary))
		b.add(" ")
		b.number(uint64(repair))
		b.add("\r\n")
	}
	b.stream(s, ids, primary)
	if repaired {
		b.stream(s, ids, repair)
	}
}

func (b *text) stream(s *Section, ids streamIDs, ssrc uint32) {
	b.add("a=ssrc:")
	b.number(uint64(ssrc))
	b.add(" cname:", ids.cname, "\r\na=ssrc:")
	b.number(uint64(ssrc))
	b.add(" msid:", ids.cname, " ", s.Kind.String(), "\r\n")
}
