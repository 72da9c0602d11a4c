package lean

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"

	"github.com/pion/stun/v4"
)

const (
	stunHeader      = 20
	attributeHeader = 4
	stunCookie      = 0x2112A442

	fingerprintSize = 4

	// maxCheckBytes bounds a request: none is longer than one Ethernet frame, over TCP neither.
	maxCheckBytes = 1500

	// maxAttributesBeforeUsername bounds the walk for a USERNAME. All known clients put it first.
	maxAttributesBeforeUsername = 16

	// maxUnknownNamed bounds the attributes that a 420 names.
	maxUnknownNamed = 8
)

// check is what a request says beyond that it is authentic.
type check struct {
	id        [stun.TransactionIDSize]byte
	priority  uint32 // 0: it names none, as a consent check may (RFC 7675)
	nominates bool

	generation uint32 // that it was signed for
	newest     bool   // which is the newest
}

// isRequest says that b is a whole binding request as far as its header tells.
func isRequest(b []byte) bool {
	return len(b) >= stunHeader && b[0] == 0 && b[1] == 1 &&
		binary.BigEndian.Uint32(b[4:]) == stunCookie &&
		int(binary.BigEndian.Uint16(b[2:])) == len(b)-stunHeader && len(b)%4 == 0
}

// ufragOf returns the half of USERNAME that is ours, a part of b, when b looks like a binding request that could be for a
// session of ours. It is cheap, allocates nothing, and trusts no length that b claims.
func ufragOf(b []byte) (own []byte, ok bool) {
	if len(b) > maxCheckBytes || !isRequest(b) {
		return nil, false
	}
	rest := b[stunHeader:]
	for range maxAttributesBeforeUsername {
		if len(rest) < attributeHeader {
			return nil, false
		}
		kind := stun.AttrType(uint16(rest[0])<<8 | uint16(rest[1]))
		n := int(rest[2])<<8 | int(rest[3])
		rest = rest[attributeHeader:]
		if n > len(rest) || kind == stun.AttrMessageIntegrity || kind == stun.AttrMessageIntegritySHA256 {
			return nil, false // cut off; or signed without a name
		}
		if kind == stun.AttrUsername {
			colon := max(bytes.IndexByte(rest[:n], ':'), 0)
			return rest[:colon], colon > 0
		}
		rest = rest[min(padded(n), len(rest)):]
	}
	return nil, false
}

// padded is the room that an attribute value of n bytes takes.
func padded(n int) int { return (n + 3) &^ 3 }

// authentic returns the generation whose password signed the request, or nil. What costs least is looked at first, and the
// HMAC last: it is reached only by those who know the names of both sides. A request that fails is not answered (RFC 8489
// would have 400 and 401): this server tells a stranger nothing, and sends nothing to where a forged source points.
func (a *agent) authentic(m, scratch *stun.Message) *generation {
	if !isRequest(m.Raw) || len(m.Raw) > maxCheckBytes {
		return nil
	}
	name, ok := m.Attributes.Get(stun.AttrUsername)
	if !ok {
		return nil
	}
	g := a.ofUsername(name.Value)
	if g == nil || !fingerprintRight(m) || !integrityRight(m, g.key, scratch) {
		return nil
	}
	return g
}

// fingerprintRight says that a FINGERPRINT, if there is one, is the last attribute and the checksum of all before it.
func fingerprintRight(m *stun.Message) bool {
	fp, ok := m.Attributes.Get(stun.AttrFingerprint)
	if !ok {
		return true
	}
	at := len(m.Raw) - attributeHeader - fingerprintSize
	return len(fp.Value) == fingerprintSize && at >= stunHeader &&
		stun.AttrType(binary.BigEndian.Uint16(m.Raw[at:])) == stun.AttrFingerprint &&
		binary.BigEndian.Uint32(m.Raw[at+attributeHeader:]) == stun.FingerprintValue(m.Raw[:at])
}

// integrityRight says that MESSAGE-INTEGRITY is there and right. The same signature is made once more in scratch and
// compared: Pion's own comparison would write behind the end of m.Raw, where the reader's next packet may be.
func integrityRight(m *stun.Message, key stun.MessageIntegrity, scratch *stun.Message) bool {
	before := 0
	for i := range m.Attributes {
		attr := &m.Attributes[i]
		if attr.Type != stun.AttrMessageIntegrity {
			before += attributeHeader + padded(int(attr.Length))
			continue
		}
		scratch.Reset()
		scratch.Raw = append(scratch.Raw, m.Raw[:stunHeader+before]...)
		scratch.Length = uint32(before)
		_ = key.AddTo(scratch) // fails behind a FINGERPRINT, and there is none
		return subtle.ConstantTimeCompare(attr.Value, scratch.Attributes[0].Value) == 1
	}
	return false
}

// parseCheck reads what an authentic request says. A PRIORITY that is no number makes it malformed.
func parseCheck(m *stun.Message) (check, bool) {
	c := check{id: m.TransactionID}
	_, c.nominates = m.Attributes.Get(stun.AttrUseCandidate)
	if p, ok := m.Attributes.Get(stun.AttrPriority); ok {
		if len(p.Value) != 4 {
			return c, false
		}
		c.priority = binary.BigEndian.Uint32(p.Value)
	}
	return c, true
}

// refuseCheck writes the error that an authentic request deserves, if it does: it contains what we must understand and do not
// (RFC 8489 section 6.3.1), or its sender believes to be the controlled side, which is always us (RFC 8445 section 7.3.1.1).
func refuseCheck(m *stun.Message, key stun.MessageIntegrity, reply *stun.Message) bool {
	var unknown stun.UnknownAttributes
	for _, attr := range m.Attributes {
		if attr.Type.Required() && !understood(attr.Type) && len(unknown) < maxUnknownNamed {
			unknown = append(unknown, attr.Type)
		}
	}
	code := stun.CodeUnknownAttribute
	if len(unknown) == 0 {
		if !m.Contains(stun.AttrICEControlled) {
			return false
		}
		code = stun.CodeRoleConflict
	}
	startReply(m, stun.BindingError, reply)
	_ = code.AddTo(reply) // both have a reason
	if len(unknown) > 0 {
		_ = unknown.AddTo(reply)
	}
	signReply(key, reply)
	return true
}

// understood says which attributes that must be comprehended are: those of ICE, and those of STUN itself, which may stand
// where they mean nothing.
func understood(t stun.AttrType) bool {
	switch t {
	case stun.AttrUsername, stun.AttrMessageIntegrity, stun.AttrPriority, stun.AttrUseCandidate,
		stun.AttrMappedAddress, stun.AttrXORMappedAddress, stun.AttrErrorCode, stun.AttrUnknownAttributes,
		stun.AttrRealm, stun.AttrNonce, stun.AttrMessageIntegritySHA256:
		return true
	}
	return false
}

// acceptCheck writes the success response.
func acceptCheck(m *stun.Message, from path, key stun.MessageIntegrity, reply *stun.Message) {
	startReply(m, stun.BindingSuccess, reply)
	var value [20]byte
	reply.Add(stun.AttrXORMappedAddress, appendMapped(value[:0], from, m.TransactionID))
	signReply(key, reply)
}

// appendMapped writes the value of XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).
func appendMapped(b []byte, from path, id [stun.TransactionIDSize]byte) []byte {
	var mask [16]byte
	binary.BigEndian.PutUint32(mask[:], stunCookie)
	copy(mask[4:], id[:])
	addr := from.addr.Addr().Unmap()
	family := byte(1)
	if addr.Is6() {
		family = 2
	}
	b = append(b, 0, family)
	b = binary.BigEndian.AppendUint16(b, from.addr.Port()^stunCookie>>16)
	if addr.Is4() {
		ip := addr.As4()
		subtle.XORBytes(ip[:], ip[:], mask[:4])
		return append(b, ip[:]...)
	}
	ip := addr.As16()
	subtle.XORBytes(ip[:], ip[:], mask[:])
	return append(b, ip[:]...)
}

func startReply(m *stun.Message, kind stun.MessageType, reply *stun.Message) {
	reply.Reset()
	reply.Type, reply.TransactionID = kind, m.TransactionID
	reply.WriteHeader()
}

// signReply signs the reply. Neither can fail: there is no FINGERPRINT before the integrity.
func signReply(key stun.MessageIntegrity, reply *stun.Message) {
	_ = key.AddTo(reply)
	_ = stun.Fingerprint.AddTo(reply)
}
