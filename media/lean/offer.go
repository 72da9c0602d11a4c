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
	MID     string
	Kind    media.Kind
	Formats []Format
}

// Format is a codec that both sides know, under the numbers of the client.
type Format struct {
	Codec  media.Codec
	Type   uint8
	Repair uint8 // payload type of its retransmissions (RFC 4588); 0: none was offered
}
