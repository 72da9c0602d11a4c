package peer

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
)

// newSettings holds what is the same for every session.
func newSettings(mux *ice.UDPMuxDefault, log logging.LoggerFactory, public []netip.Addr) (webrtc.SettingEngine, error) {
	var e webrtc.SettingEngine
	e.LoggerFactory = log
	e.SetICEUDPMux(mux)
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.DisableActiveTCP(true)
	e.SetIncludeLoopbackCandidate(true) // a page on this machine is a viewer too
	e.SetICETimeouts(iceDisconnected, iceFailed, iceKeepalive)
	e.SetDTLSRetransmissionInterval(dtlsFlight)
	e.SetDTLSConnectContextMaker(func() (context.Context, func()) {
		return context.WithTimeout(context.Background(), dtlsTimeout)
	})
	e.SetSRTPReplayProtectionWindow(replayWindow)
	e.SetDTLSEllipticCurves(elliptic.X25519, elliptic.P256, elliptic.P384)
	// Pion follows our order when it is the DTLS server, and Chromium lists GCM last.
	e.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	// RFC 9725: the server is passive.
	if err := e.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
		return e, fmt.Errorf("dtls role: %w", err)
	}
	if len(public) == 0 {
		return e, nil
	}
	rule := webrtc.ICEAddressRewriteRule{
		AsCandidateType: webrtc.ICECandidateTypeHost, Mode: webrtc.ICEAddressRewriteReplace,
	}
	for _, ip := range public {
		rule.External = append(rule.External, ip.Unmap().String())
	}
	e.SetICEUDPMux(familyMux{mux, public})
	if err := e.SetICEAddressRewriteRules(rule); err != nil {
		return e, fmt.Errorf("public addresses: %w", err)
	}
	return e, nil
}

// familyMux offers only addresses of families that have a public address: the machine's own of the other family would
// be of no use to anybody outside, and says more than it should.
type familyMux struct {
	*ice.UDPMuxDefault
	public []netip.Addr
}

// GetListenAddresses is what candidates are made from.
func (m familyMux) GetListenAddresses() []net.Addr {
	return slices.DeleteFunc(m.UDPMuxDefault.GetListenAddresses(), func(a net.Addr) bool {
		udp, ok := a.(*net.UDPAddr)
		return !ok || !slices.ContainsFunc(m.public, func(ip netip.Addr) bool {
			return ip.Unmap().Is4() == (udp.IP.To4() != nil)
		})
	})
}

var (
	videoFeedback = []webrtc.RTCPFeedback{{Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"},
		{Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	opus = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48_000, Channels: 2,
		SDPFmtpLine: "minptime=10;useinbandfec=1"}
	vp8  = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90_000, RTCPFeedback: videoFeedback}
	h264 = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90_000, RTCPFeedback: videoFeedback,
		SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"}
)

func newMediaEngine(rtx bool) (*webrtc.MediaEngine, error) {
	var e webrtc.MediaEngine
	add := func(kind webrtc.RTPCodecType, c webrtc.RTPCodecCapability, pt webrtc.PayloadType) error {
		return e.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: c, PayloadType: pt}, kind)
	}
	if err := add(webrtc.RTPCodecTypeAudio, opus, 111); err != nil {
		return nil, err
	}
	for pt, c := range map[webrtc.PayloadType]webrtc.RTPCodecCapability{96: vp8, 102: h264} {
		if err := add(webrtc.RTPCodecTypeVideo, c, pt); err != nil {
			return nil, err
		}
		if !rtx {
			continue
		}
		repair := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90_000,
			SDPFmtpLine: fmt.Sprintf("apt=%d", pt)}
		if err := add(webrtc.RTPCodecTypeVideo, repair, pt+1); err != nil {
			return nil, err
		}
	}
	return &e, nil
}

// publisherAPI receives: it asks for lost packets, reports reception, and lets the browser estimate its bandwidth.
func (s *Server) publisherAPI() (*webrtc.API, error) {
	engine, err := newMediaEngine(true)
	if err != nil {
		return nil, fmt.Errorf("publisher codecs: %w", err)
	}
	var registry interceptor.Registry
	asks, err := nack.NewGeneratorInterceptor(nack.GeneratorMaxNacksPerPacket(maxNacks), nack.GeneratorInterval(nackInterval))
	if err != nil {
		return nil, fmt.Errorf("nack generator: %w", err)
	}
	reports, err := report.NewReceiverInterceptor()
	if err != nil {
		return nil, fmt.Errorf("receiver reports: %w", err)
	}
	registry.Add(asks)
	registry.Add(reports)
	if err := webrtc.ConfigureTWCCSender(engine, &registry); err != nil {
		return nil, fmt.Errorf("congestion feedback: %w", err)
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(s.settings),
		webrtc.WithInterceptorRegistry(&registry)), nil
}

// viewerAPI sends: no interceptor touches a packet, since the ring answers for them, and what the viewer reports goes
// straight to its worker.
func (s *Server) viewerAPI(v *viewer) (*webrtc.API, error) {
	engine, err := newMediaEngine(false)
	if err != nil {
		return nil, fmt.Errorf("viewer codecs: %w", err)
	}
	settings := s.settings
	settings.BufferFactory = v.buffer
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{})), nil
}
