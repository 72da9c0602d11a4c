package lean

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
)

const (
	// maxSources is how many SSRCs a client's RTCP may come from. Browsers use one, or one for each line. Each keeps a
	// replay window, and a client can make up as many as it likes.
	maxSources = 16
	// reportWindow is how far behind the newest RTCP packet of a source one may come and not be taken for a replay.
	reportWindow = 64

	// overhead is the most bytes that sealing adds to a packet, its header not included: the tag and index of SRTCP under
	// AES-GCM. To RTP it adds a tag, and two bytes of RFC 4588 before the payload.
	overhead = 20

	rtcpHeader = 8
)

var (
	errSources   = errors.New("RTCP from more sources than a client has")
	errShortRTCP = errors.New("RTCP packet shorter than its header")
)

// secrets are the SRTP keys of one session (RFC 3711, RFC 7714). What seals and what opens have nothing in common, so
// that the worker that sends and the goroutine that reads need no lock between them.
type secrets struct {
	// owned by the worker that sends
	sealer
	reports *srtp.Context

	// guarded by the session's mu
	in      *srtp.Context
	sources []uint32 // authenticated, at most maxSources
}

func newSecrets(profile srtp.ProtectionProfile, keys srtp.SessionKeys) (*secrets, error) {
	out, err := srtp.CreateContext(keys.LocalMasterKey, keys.LocalMasterSalt, profile)
	if err != nil {
		return nil, fmt.Errorf("srtp keys to send with: %w", err)
	}
	in, err := srtp.CreateContext(keys.RemoteMasterKey, keys.RemoteMasterSalt, profile,
		srtp.SRTCPReplayProtection(reportWindow))
	if err != nil {
		return nil, fmt.Errorf("srtp keys to receive with: %w", err)
	}
	s := &secrets{reports: out, in: in}
	if profile != srtp.ProtectionProfileAeadAes128Gcm {
		s.sealer.other = out
		return s, nil
	}
	if err := s.sealer.derive(keys.LocalMasterKey, keys.LocalMasterSalt); err != nil {
		return nil, fmt.Errorf("srtp keys to send with: %w", err)
	}
	return s, nil
}

// sealReports writes reports as one compound packet, sealed, into dst's capacity. Only the worker that sends calls it.
func (s *secrets) sealReports(dst []byte, reports []rtcp.Packet) ([]byte, error) {
	plain, err := rtcp.Marshal(reports)
	if err != nil {
		return nil, fmt.Errorf("reports: %w", err)
	}
	if cap(dst) < len(plain)+overhead {
		return nil, errRoom
	}
	sealed, err := s.reports.EncryptRTCP(dst[:0], plain, nil)
	if err != nil {
		return nil, fmt.Errorf("seal reports: %w", err)
	}
	return sealed, nil
}

// openRTCP writes the plain text of a client's RTCP packet into dst's capacity, or new memory, and returns it. An error
// means that the packet is not authentic, was there before, or comes from one source too many; such a packet leaves
// nothing behind. dst may be b[:0]. The caller holds the session's mu.
func (s *secrets) openRTCP(dst, b []byte) ([]byte, error) {
	if len(b) < rtcpHeader {
		return nil, errShortRTCP
	}
	source := binary.BigEndian.Uint32(b[4:])
	known := slices.Contains(s.sources, source)
	if !known && len(s.sources) >= maxSources {
		return nil, errSources
	}
	plain, err := s.in.DecryptRTCP(dst[:0], b, nil)
	if err != nil {
		return nil, fmt.Errorf("open RTCP: %w", err)
	}
	if !known {
		s.sources = append(s.sources, source)
	}
	return plain, nil
}
