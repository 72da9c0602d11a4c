package peer

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/lean"
)

// viewerOffer is browserOffer from one who watches.
var viewerOffer = strings.ReplaceAll(browserOffer, "a=sendonly", "a=recvonly")

func TestLeanOffer(t *testing.T) {
	text := strings.Replace(viewerOffer, "a=rtcp-fb:96 nack\n", "a=rtcp-fb:96 nack\na=rtcp-fb:96 transport-cc\na=rtcp-fb:* ccm fir\na=rtcp-rsize\n", 1)
	o, err := parseOffer([]byte(text), receives)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := o.lean()
	if !ok {
		t.Fatal("declined")
	}
	fir, nack := lean.FeedbackOf("ccm fir"), lean.FeedbackOf("nack")
	want := &lean.Offer{
		Remote:      lean.Credentials{UFrag: "EsAw", Pwd: "bP+XJMM09aR8AiX1jdukzR6Y"},
		Fingerprint: got.Fingerprint,
		Sections: []lean.Section{
			{MID: "0", Kind: media.Audio, Formats: []lean.Format{{Codec: media.Opus, Type: 111}}},
			{MID: "1", Kind: media.Video, ReducedSize: true, Formats: []lean.Format{
				{Codec: media.VP8, Type: 96, Repair: 97, Feedback: fir | nack},
				{Codec: media.H264, Type: 102, Feedback: fir},
			}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if f := got.Fingerprint; f[0] != 0x4a || f[1] != 0xad || f[31] != 0xdf {
		t.Errorf("fingerprint %x", f)
	}
	if fir == 0 || nack == 0 || fir == nack || lean.FeedbackOf("transport-cc") != 0 {
		t.Errorf("feedback %b, %b", fir, nack)
	}
}

// The section that the group names first has the transport of all.
func TestLeanOfferIsOfTheFirstTransport(t *testing.T) {
	i := strings.Index(viewerOffer, "m=video")
	first := strings.Replace(viewerOffer[:i], "a=mid:0\n", "a=mid:0\n"+strings.Replace(sha256Line, "4A:AD", "01:02", 1), 1)
	second := strings.NewReplacer("EsAw", "other", "bP+XJ", "other").Replace(viewerOffer[i:])
	o, err := parseOffer([]byte(first+second), receives)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := o.lean()
	if !ok || got.Remote.UFrag != "EsAw" || got.Remote.Pwd[:5] != "bP+XJ" || got.Fingerprint[0] != 1 || got.Fingerprint[1] != 2 {
		t.Errorf("%v, %+v", ok, got)
	}
}

// A part of the offer's text would keep all of it alive as long as the viewer watches.
func TestLeanOfferKeepsNoText(t *testing.T) {
	o, err := parseOffer([]byte(viewerOffer), receives)
	if err != nil {
		t.Fatal(err)
	}
	got, ok := o.lean()
	if !ok {
		t.Fatal("declined")
	}
	first, last := o.session[0].text, o.sections[1].section[len(o.sections[1].section)-1].text
	begin := uintptr(unsafe.Pointer(unsafe.StringData(first)))
	end := uintptr(unsafe.Pointer(unsafe.StringData(last))) + uintptr(len(last))
	within := func(s string) bool {
		at := uintptr(unsafe.Pointer(unsafe.StringData(s)))
		return begin <= at && at < end
	}
	if !within(o.ufrag) {
		t.Fatal("the test does not see parts")
	}
	for _, s := range []string{got.Remote.UFrag, got.Remote.Pwd, got.Sections[0].MID, got.Sections[1].MID} {
		if within(s) {
			t.Errorf("%q is a part of the offer", s)
		}
	}
}

const (
	sha256Line = "a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF\n"
	sha1Line   = "a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\n"
)

func TestWhichOffersAreLean(t *testing.T) {
	all := func(old, new string) string { return strings.ReplaceAll(viewerOffer, old, new) }
	once := func(old, new string) string { return strings.Replace(viewerOffer, old, new, 1) }
	last := func(old, new string) string {
		i := strings.LastIndex(viewerOffer, old)
		return viewerOffer[:i] + new + viewerOffer[i+len(old):]
	}
	name := func(mid string) string {
		return strings.NewReplacer("BUNDLE 0 1", "BUNDLE "+mid+" 1", "a=mid:0", "a=mid:"+mid).Replace(viewerOffer)
	}
	pwd := "bP+XJMM09aR8AiX1jdukzR6Y"
	for _, c := range []struct {
		name  string
		offer string
		lean  bool
	}{
		{"a browser's", viewerOffer, true},
		{"CRLF", all("\n", "\r\n"), true},
		{"no group", once("a=group:BUNDLE 0 1\n", ""), false},
		{"a group of other semantics", once("BUNDLE", "LS"), false},
		{"one section outside the group", once("BUNDLE 0 1", "BUNDLE 0"), false},
		{"an unknown section in the group", once("BUNDLE 0 1", "BUNDLE 0 1 2"), false},
		{"transport in the second section", once("BUNDLE 0 1", "BUNDLE 1 0"), false},
		{"two groups", once("BUNDLE 0 1", "BUNDLE 0\na=group:BUNDLE 1"), false},
		{"the same name twice", strings.NewReplacer("BUNDLE 0 1", "BUNDLE 0 0", "a=mid:1", "a=mid:0").Replace(viewerOffer), false},
		{"empty name", name(""), false},
		{"longest name", name(strings.Repeat("m", maxMID)), true},
		{"one longer", name(strings.Repeat("m", maxMID+1)), false},
		{"another transport if it is not bundled", last("EsAw", "EsAx"), true},
		{"shortest ufrag", all("EsAw", "abcd"), true},
		{"one shorter", all("EsAw", "abc"), false},
		{"longest ufrag", all("EsAw", strings.Repeat("u", maxCredential)), true},
		{"one longer ufrag", all("EsAw", strings.Repeat("u", maxCredential+1)), false},
		{"shortest password", all(pwd, strings.Repeat("p", minPwd)), true},
		{"one shorter password", all(pwd, strings.Repeat("p", minPwd-1)), false},
		{"longest password", all(pwd, strings.Repeat("p", maxCredential)), true},
		{"one longer password", all(pwd, strings.Repeat("p", maxCredential+1)), false},
		{"lite", once("a=group", "a=ice-lite\na=group"), false},
		{"small letters in the fingerprint", once(sha256Line, strings.ToLower(sha256Line)), true},
		{"SHA-256 among others", once(sha256Line, sha1Line+sha256Line), true},
		{"SHA-1 only", once(sha256Line, sha1Line), false},
		{"two certificates", once(sha256Line, sha256Line+sha256Line), false},
		{"a fingerprint without colons", once("4A:AD", "4A0AD"), false},
		{"a fingerprint that is not hex", once("4A:AD", "4A:AG"), false},
		{"a short fingerprint", once(":DF\n", "\n"), false},
		{"a long fingerprint", once(":DF\n", ":DF:DF\n"), false},
		{"the same fingerprint in a section", once("a=mid:1\n", "a=mid:1\n"+sha256Line), true},
		{"another fingerprint in a section", once("a=mid:1\n", "a=mid:1\n"+strings.Replace(sha256Line, "4A:AD", "4A:AE", 1)), true},
		{"SHA-1 in the first section", once("a=mid:0\n", "a=mid:0\n"+sha1Line), false},
		{"active", all("actpass", "active"), true},
		{"TCP", once("m=audio 9 UDP/TLS/RTP", "m=audio 9 TCP/DTLS/RTP"), false},
		{"no feedback profile", once("SAVPF", "SAVP"), false},
		{"a rejected section", once("m=video 9", "m=video 0"), false},
		{"a section without a port of its own", strings.NewReplacer("m=video 9", "m=video 0", "a=mid:1\n", "a=mid:1\na=bundle-only\n").Replace(viewerOffer), true},
		{"one number for two codecs", strings.NewReplacer("SAVPF 111", "SAVPF 96", "rtpmap:111", "rtpmap:96").Replace(viewerOffer), false},
		{"one number for a codec and repairs", strings.NewReplacer("SAVPF 111", "SAVPF 97", "rtpmap:111", "rtpmap:97").Replace(viewerOffer), false},
	} {
		o, err := parseOffer([]byte(c.offer), receives)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, ok := o.lean(); ok != c.lean {
			t.Errorf("%s: lean is %v", c.name, ok)
		}
	}
}

func TestWhichFormatsAreChosen(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		formats        string // of the video section: codec type/repair
	}{
		{"as offered", "", "", "VP8 96/97 H264 102/0"},
		{"in the order of the offer", "96 97 98 102", "102 97 98 96", "H264 102/0 VP8 96/97"},
		{"twice", "96 97", "96 97 96 97", "VP8 96/97 H264 102/0"},
		{"the first of two", "a=rtpmap:98 VP9", "a=rtpmap:98 VP8", "VP8 96/97 H264 102/0"},
		{"repairs with a time", "apt=96", "rtx-time=3000; apt=96", "VP8 96/97 H264 102/0"},
		{"repairs of another clock", "a=rtpmap:97 rtx/90000", "a=rtpmap:97 rtx/48000", "VP8 96/0 H264 102/0"},
		{"repairs of what is not kept", "apt=96", "apt=98", "VP8 96/0 H264 102/0"},
		{"repairs of no number", "apt=96", "apt=", "VP8 96/0 H264 102/0"},
		{"repairs that are not in the m= line", "96 97", "96", "VP8 96/0 H264 102/0"},
		{"the first of two repairs", "apt=98", "apt=96", "VP8 96/97 H264 102/0"},
		{"the highest number", "SAVPF 96 97 98 102 103 104\n", "SAVPF 127 98 102\na=rtpmap:127 VP8/90000\n", "VP8 127/0 H264 102/0"},
		{"a number out of range", "SAVPF 96 97 98 102 103 104\n", "SAVPF 128 98 102\na=rtpmap:128 VP8/90000\n", "H264 102/0"},
		{"a number written oddly", "SAVPF 96 97 98 102 103 104\n", "SAVPF 096 98 102\na=rtpmap:096 VP8/90000\n", "H264 102/0"},
		{"letters in another case", "VP8/90000", "vp8/90000", "VP8 96/97 H264 102/0"},
		{"another clock", "VP8/90000", "VP8/48000", "H264 102/0"},
	} {
		o, err := parseOffer([]byte(strings.Replace(viewerOffer, c.old, c.new, 1)), receives)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, f := range o.sections[1].formats {
			got = append(got, f.Codec.String()+" "+number(f.Type)+"/"+number(f.Repair))
		}
		if s := strings.Join(got, " "); s != c.formats {
			t.Errorf("%s: %s", c.name, s)
		}
	}
}

func number(n uint8) string { return strconv.Itoa(int(n)) }
