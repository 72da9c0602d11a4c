package peer

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// extensions of RTP headers that we use.
var extensions = []string{
	"urn:ietf:params:rtp-hdrext:sdes:mid",
	sdp.TransportCCURI,
}

// marshal writes the offer for Pion, cut down to what we accept: reading a browser's full list of codecs is most of what
// a join costs there. Retransmission formats are kept of publishers only, since Pion does not make any for viewers.
func (o *offer) marshal() string {
	var b strings.Builder
	b.WriteString("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n")
	for _, l := range o.session {
		if l.text[0] == 'a' {
			b.WriteString(l.text + "\r\n")
		}
	}
	for _, s := range o.sections {
		var keep []string
		for _, f := range s.formats {
			keep = append(keep, strconv.Itoa(int(f.Type)))
		}
		for _, f := range s.formats {
			if f.Repair != 0 && o.dir == sends {
				keep = append(keep, strconv.Itoa(int(f.Repair)))
			}
		}
		b.WriteString("m=" + s.kind.String() + " " + strconv.Itoa(int(s.port)) + " " + s.proto + " " + strings.Join(keep, " ") + "\r\n")
		for _, l := range s.section {
			if l.text[0] == 'a' && !l.unanswered(keep) {
				b.WriteString(l.text + "\r\n")
			}
		}
	}
	return b.String()
}

// unanswered says which lines Pion need not see: those of other formats than are kept, extensions, layers we do not take,
// and candidates that cannot be reached from here (TCP, names that resolve only in the viewer's own network).
func (l line) unanswered(keep []string) bool {
	switch l.key() {
	case "rtpmap", "fmtp", "rtcp-fb":
		pt, _, _ := strings.Cut(l.value(), " ")
		return !slices.Contains(keep, pt) && pt != "*"
	case "extmap":
		return !slices.ContainsFunc(extensions, func(uri string) bool { return strings.Contains(l.value(), uri) })
	case "rid", "simulcast":
		return true
	case "ssrc-group":
		return !strings.HasPrefix(l.value(), "FID")
	case "candidate":
		return !reachable(l.value())
	}
	return false
}

// reachable reports whether a candidate can be used by a server with one UDP port.
func reachable(candidate string) bool {
	f := strings.Fields(candidate)
	return len(f) >= 8 && strings.EqualFold(f[2], "udp") && !strings.HasSuffix(strings.ToLower(f[4]), ".local")
}
