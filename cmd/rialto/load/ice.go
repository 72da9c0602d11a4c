package load

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
)

const (
	checkEvery = 50 * time.Millisecond
	pathWithin = 10 * time.Second
	priority   = 1<<24*126 + 1<<8*65535 + 255 // of a host candidate; RFC 8445 5.1.2.1 asks for it in checks
)

var errNoPath = errors.New("no media path to the server")

// findPath sends checks to every candidate until one answers, and then one that nominates it.
func (v *Viewer) findPath(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pathWithin)
	defer cancel()
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		for _, to := range v.answer.candidates {
			v.check(to)
		}
		select {
		case to := <-v.found:
			v.path.Store(&to)
			v.check(to)
			return nil
		case <-v.ended:
			return v.why()
		case <-ctx.Done():
			return errNoPath
		case <-tick.C:
		}
	}
}

// check sends a binding request. All nominate: whichever answers first will do.
func (v *Viewer) check(to netip.AddrPort) {
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(v.answer.remote.ufrag+":"+v.own.ufrag),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{priority >> 24, priority >> 16 & 0xff, priority >> 8 & 0xff, priority & 0xff}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: []byte(v.own.ufrag)}, // eight bytes, any
		stun.RawAttribute{Type: stun.AttrUseCandidate},
		stun.NewShortTermIntegrity(v.answer.remote.pwd), stun.Fingerprint)
	if err == nil {
		v.wire.write(m.Raw, to) // lost on the way or here: there will be another
	}
}

// takeSTUN is called by the reader.
func (v *Viewer) takeSTUN(b []byte, from netip.AddrPort) {
	var m stun.Message
	if stun.Decode(b, &m) != nil {
		return
	}
	switch m.Type {
	case stun.BindingSuccess:
		if stun.NewShortTermIntegrity(v.answer.remote.pwd).Check(&m) == nil {
			select {
			case v.found <- from:
			default: // a path is known
			}
		}
	case stun.BindingRequest:
		if stun.NewShortTermIntegrity(v.own.pwd).Check(&m) != nil {
			return
		}
		reply, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
			&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())},
			stun.NewShortTermIntegrity(v.own.pwd), stun.Fingerprint)
		if err == nil {
			v.wire.write(reply.Raw, from)
		}
	}
}
