package lean

import (
	"strconv"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
)

// offerFrom reads the offer of a Pion client, which numbers payload types in its own way.
func offerFrom(t *testing.T, text string) *Offer {
	t.Helper()
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(text); err != nil {
		t.Fatal(err)
	}
	o := &Offer{}
	for _, m := range desc.MediaDescriptions {
		mid, _ := m.Attribute("mid")
		s := Section{MID: mid, ReducedSize: true}
		if m.MediaName.Media == "video" {
			s.Kind = media.Video
		}
		for _, pt := range m.MediaName.Formats {
			n, err := strconv.ParseUint(pt, 10, 7)
			if err != nil {
				t.Fatal(err)
			}
			codec, err := desc.GetCodecForPayloadType(uint8(n))
			if err != nil {
				t.Fatal(err)
			}
			f := Format{Type: uint8(n), Feedback: allFeedback}
			switch {
			case codec.Name == "opus":
				f.Codec, f.Feedback = media.Opus, 0
			case codec.Name == "VP8":
				f.Codec = media.VP8
			case codec.Name == "H264" && strings.Contains(codec.Fmtp, "packetization-mode=1;profile-level-id=42e01f"):
				f.Codec = media.H264
			case codec.Name == "rtx":
				for i := range s.Formats {
					if codec.Fmtp == "apt="+strconv.Itoa(int(s.Formats[i].Type)) {
						s.Formats[i].Repair = f.Type
					}
				}
				continue
			default:
				continue
			}
			s.Formats = append(s.Formats, f)
		}
		o.Sections = append(o.Sections, s)
	}
	return o
}

func TestPionAcceptsTheAnswer(t *testing.T) {
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := pc.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	o := offerFrom(t, offer.SDP)
	if len(o.Sections) != 2 || len(o.Sections[1].Formats) != 2 || !o.Sections[1].repairs() {
		t.Fatalf("Pion offers less than this test is about: %+v", o)
	}
	text := string(testAnswer(true, "127.0.0.1:9", "[::1]:9").write(o, own, ids))
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text}); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for i, tr := range pc.GetTransceivers() {
		if tr.Mid() != o.Sections[i].MID || tr.Direction() != webrtc.RTPTransceiverDirectionRecvonly {
			t.Errorf("section %d is %s, %s", i, tr.Mid(), tr.Direction())
		}
		var types []uint8
		for _, c := range tr.Receiver().GetParameters().Codecs {
			types = append(types, uint8(c.PayloadType))
		}
		for _, f := range o.Sections[i].Formats {
			if !strings.Contains(string(types), string([]byte{f.Type})) {
				t.Errorf("payload type %d is not among the negotiated %v", f.Type, types)
			}
		}
	}
}

// What RFC 9429 section 5.3.1 asks of an answer.
func TestAnswerHasWhatBrowsersNeed(t *testing.T) {
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(string(testAnswer(false).write(twoTracks(), own, ids))); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ice-lite", "group", "ice-options"} {
		if _, ok := desc.Attribute(key); !ok {
			t.Errorf("no a=%s", key)
		}
	}
	for _, m := range desc.MediaDescriptions {
		if m.MediaName.Port.Value != 9 || strings.Join(m.MediaName.Protos, "/") != "UDP/TLS/RTP/SAVPF" || m.ConnectionInformation == nil {
			t.Errorf("m= line %v", m.MediaName)
		}
		for key, want := range map[string]string{
			"setup": "passive", "rtcp-mux": "", "rtcp-rsize": "", "sendonly": "", "ice-ufrag": own.UFrag, "ice-pwd": own.Pwd,
			"msid": "rialto " + m.MediaName.Media,
		} {
			if got, ok := m.Attribute(key); !ok || got != want {
				t.Errorf("%s: a=%s is %q", m.MediaName.Media, key, got)
			}
		}
		if f, _ := m.Attribute("fingerprint"); len(f) != len("sha-256 ")+95 || strings.ToUpper(f[8:]) != f[8:] {
			t.Errorf("fingerprint %q", f)
		}
		if _, ok := m.Attribute("extmap"); ok {
			t.Error("an extension was answered")
		}
		for _, a := range m.Attributes {
			if strings.Contains(a.Value, "transport-cc") {
				t.Errorf("a=%s:%s", a.Key, a.Value)
			}
		}
	}
}
