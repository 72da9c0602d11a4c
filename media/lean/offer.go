package lean

import "github.com/rialto-live/rialto/media"

// Offer is what a viewer's offer says, as far as this transport needs it. Strings in it must not be parts of a larger text,
// which they would keep alive.
type Offer struct {
	Remote      Credentials
	Fingerprint [32]byte // SHA-256 of the client's certificate
	Sections    []Section
}

// Credentials are one side's names of an ICE generation (RFC 8445 section 5.3).
type Credentials struct{ UFrag, Pwd string }

// Section is one m= section, in the order of the offer. All are bundled.
type Section struct {
	MID         string
	Kind        media.Kind
	Formats     []Format
	ReducedSize bool // the client takes RTCP that is not compound (RFC 5506)
}

func (s *Section) repairs() bool {
	for _, f := range s.Formats {
		if f.Repair != 0 {
			return true
		}
	}
	return false
}

// Format is a codec that both sides know, under the numbers of the client.
type Format struct {
	Codec    media.Codec
	Type     uint8
	Repair   uint8 // payload type of its retransmissions (RFC 4588); 0: none was offered
	Feedback Feedback
}

// Feedback is a set of the kinds of RTCP feedback that we answer to (RFC 4585). An answer names none that was not offered.
type Feedback uint8

// feedbackNames in the order they are answered in; the position of a name is its bit.
var feedbackNames = [...]string{"goog-remb", "ccm fir", "nack", "nack pli"}

// FeedbackOf names a value of a=rtcp-fb, such as "nack pli"; the empty set is of one that we do not answer to.
func FeedbackOf(value string) Feedback {
	for i, name := range feedbackNames {
		if value == name {
			return 1 << i
		}
	}
	return 0
}
