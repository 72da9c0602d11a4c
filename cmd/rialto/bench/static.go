package bench

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// pliEvery bounds how often the baseline asks its publisher for a keyframe: as ours does.
const pliEvery = time.Second

// static is the baseline: plain Pion as its examples show it, TrackLocalStaticRTP and the default interceptors.
type static struct {
	// static after newStatic
	api          *webrtc.API
	video, audio *webrtc.TrackLocalStaticRTP

	mu        sync.Mutex
	publisher *webrtc.PeerConnection
	source    webrtc.SSRC
	asked     time.Time
}

func newStatic() (*server, error) {
	s := &static{}
	var err error
	vp8 := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90_000}
	if s.video, err = webrtc.NewTrackLocalStaticRTP(vp8, "video", "show"); err != nil {
		return nil, err
	}
	opus := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48_000, Channels: 2}
	if s.audio, err = webrtc.NewTrackLocalStaticRTP(opus, "audio", "show"); err != nil {
		return nil, err
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(net.IP.IsLoopback)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.api = webrtc.NewAPI(webrtc.WithSettingEngine(settings)) // codecs and interceptors are the defaults
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whip/{show}", s.door(s.publish))
	mux.HandleFunc("POST /whep/{show}", s.door(s.watch))
	return &server{handler: mux}, nil
}

// door answers an offer once prepare has filled the connection.
func (s *static) door(prepare func(*webrtc.PeerConnection) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		offer, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		if err == nil {
			var answer string
			if answer, err = s.answer(string(offer), prepare); err == nil {
				w.Header().Set("Location", r.URL.Path+"/session")
				w.Header().Set("Content-Type", "application/sdp")
				w.WriteHeader(http.StatusCreated)
				_, err = io.WriteString(w, answer)
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

func (s *static) answer(offer string, prepare func(*webrtc.PeerConnection) error) (string, error) {
	pc, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	text, err := func() (string, error) {
		if err := prepare(pc); err != nil {
			return "", err
		}
		if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
			return "", err
		}
		answer, err := pc.CreateAnswer(nil)
		if err != nil {
			return "", err
		}
		gathered := webrtc.GatheringCompletePromise(pc)
		if err := pc.SetLocalDescription(answer); err != nil {
			return "", err
		}
		<-gathered
		return pc.LocalDescription().SDP, nil
	}()
	if err != nil {
		return "", errors.Join(err, pc.Close())
	}
	return text, nil
}

func (s *static) publish(pc *webrtc.PeerConnection) error {
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		local := s.audio
		if remote.Kind() == webrtc.RTPCodecTypeVideo {
			local = s.video
			s.mu.Lock()
			s.publisher, s.source = pc, remote.SSRC()
			s.mu.Unlock()
		}
		for {
			p, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			_ = local.WriteRTP(p) // a viewer that is gone is not this loop's business
		}
	})
	return nil
}

func (s *static) watch(pc *webrtc.PeerConnection) error {
	for _, track := range []webrtc.TrackLocal{s.audio, s.video} {
		sender, err := pc.AddTrack(track)
		if err != nil {
			return err
		}
		go s.readFeedback(sender) // ends with its connection, and that with the process
	}
	return nil
}

// readFeedback must run for the interceptors to work, and passes on what asks for a keyframe.
func (s *static) readFeedback(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range packets {
			if _, ok := p.(*rtcp.PictureLossIndication); ok {
				s.askKeyframe()
			}
		}
	}
}

func (s *static) askKeyframe() {
	s.mu.Lock()
	pc, source, due := s.publisher, s.source, time.Since(s.asked) >= pliEvery
	if due {
		s.asked = time.Now()
	}
	s.mu.Unlock()
	if pc != nil && due {
		_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(source)}}) // the next viewer asks again
	}
}
