package client

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/logging"
	"github.com/pion/transport/v4"
	"github.com/pion/webrtc/v4"
)

// Network says from where a client reaches its server.
type Network struct {
	// Addr is the only local address used, for HTTP and for media; loopback
	// addresses are fine, and any of 127.0.0.0/8 makes one machine look like
	// many. The zero Addr uses every address of the machine.
	Addr netip.Addr
	// TCP is set for a client whose network lets no UDP through: its media goes over TCP alone.
	TCP bool
	// Net replaces the machine's network for media, in tests.
	Net transport.Net
}

const (
	httpTimeout = 15 * time.Second
	// A lost packet is asked for after 20 ms and again every 20 ms, as a
	// browser does at a short round trip; after nackTries it is given up.
	nackInterval = 20 * time.Millisecond
	nackTries    = 12
	nackWindow   = 512
	// A packet that was sent again must not be taken for a replay. Pion's 64
	// are passed in 80 ms at 8 Mbit/s; browsers have 1,024.
	replayWindow = 1024
)

func (n Network) httpClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if n.Addr.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: n.Addr.AsSlice()}
	}
	return &http.Client{
		Timeout:   httpTimeout,
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second},
		// Redirects are followed by hand: the token has to come along, and
		// only to where it may.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// api builds a WebRTC engine that offers the named codecs and nothing else.
func (n Network) api(codecs []string) (*webrtc.API, error) {
	engine := &webrtc.MediaEngine{}
	for _, mime := range codecs {
		if err := registerCodec(engine, mime); err != nil {
			return nil, err
		}
	}
	registry := &interceptor.Registry{}
	generator := []nack.GeneratorOption{nack.GeneratorInterval(nackInterval), nack.GeneratorMaxNacksPerPacket(nackTries), nack.GeneratorSize(nackWindow)}
	if err := webrtc.ConfigureNackWithOptions(engine, registry, generator); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureRTCPReports(registry); err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(n.settings())), nil
}

func (n Network) settings() webrtc.SettingEngine {
	settings := webrtc.SettingEngine{LoggerFactory: quietLogs{}}
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.DisableActiveTCP(!n.TCP)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICETimeouts(10*time.Second, 5*time.Second, 2*time.Second)
	settings.SetDTLSRetransmissionInterval(100 * time.Millisecond)
	settings.SetSRTPReplayProtectionWindow(replayWindow)
	if n.TCP {
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6})
	} else {
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	}
	if n.Addr.IsValid() {
		settings.SetIPFilter(func(ip net.IP) bool {
			addr, ok := netip.AddrFromSlice(ip)
			return ok && addr.Unmap() == n.Addr.Unmap()
		})
	}
	if n.Net != nil {
		settings.SetNet(n.Net)
	}
	return settings
}

// Payload types are the client's own business; these are the ones Chromium uses.
func registerCodec(engine *webrtc.MediaEngine, mime string) error {
	switch mime {
	case VP8:
		return registerVideo(engine, 96, webrtc.RTPCodecCapability{MimeType: VP8, ClockRate: 90000})
	case H264:
		return registerVideo(engine, 108, webrtc.RTPCodecCapability{MimeType: H264, ClockRate: 90000,
			SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"})
	case Opus:
		return engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: Opus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}}, webrtc.RTPCodecTypeAudio)
	default:
		return fmt.Errorf("client: no codec %q", mime)
	}
}

func registerVideo(engine *webrtc.MediaEngine, payloadType webrtc.PayloadType, capability webrtc.RTPCodecCapability) error {
	capability.RTCPFeedback = []webrtc.RTCPFeedback{{Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"}}
	if err := engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: payloadType, RTPCodecCapability: capability}, webrtc.RTPCodecTypeVideo); err != nil {
		return err
	}
	rtx := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: "apt=" + strconv.Itoa(int(payloadType))}
	return engine.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: payloadType + 1, RTPCodecCapability: rtx}, webrtc.RTPCodecTypeVideo)
}

// quietLogs drops what pion would print: everything a caller can act on comes
// back as an error or a count.
type quietLogs struct{}

func (quietLogs) NewLogger(string) logging.LeveledLogger {
	return &logging.DefaultLeveledLogger{}
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
