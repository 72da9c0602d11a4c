package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// TestCurl walks through RFC 9725 as somebody with a terminal would.
func TestCurl(t *testing.T) {
	n := whiptest.Start(t)
	whip, key := n.WHIP("shw_curl"), "Authorization: Bearer sk_acc_mara"
	offer := filepath.Join(t.TempDir(), "offer.sdp")
	if err := os.WriteFile(offer, []byte(publishOffer(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	sdp := []string{"-H", "Content-Type: application/sdp", "--data-binary", "@" + offer}

	options := curl(t, "-X", "OPTIONS", whip)
	options.is(t, "204", "Accept-Post: application/sdp", "Allow: OPTIONS, POST")
	curl(t, "-X", "OPTIONS", "-H", "Origin: https://shop.example", "-H", "Access-Control-Request-Method: POST", whip).is(t, "204",
		"Access-Control-Allow-Origin: https://shop.example", "Access-Control-Allow-Methods: OPTIONS, POST", "Access-Control-Allow-Headers: Authorization, Content-Type, If-Match")
	curl(t, whip).is(t, "405", "Allow: OPTIONS, POST", "Content-Type: application/problem+json")
	curl(t, "-I", whip).is(t, "405", "Allow: OPTIONS, POST")
	curl(t, "-X", "PUT", whip).is(t, "405")
	curl(t, append(sdp, whip)...).is(t, "401", "WWW-Authenticate: Bearer")
	curl(t, append(sdp, "-H", "Authorization: Bearer sk_wrong", whip)...).is(t, "401")

	created := curl(t, append(sdp, "-H", key, whip)...)
	created.is(t, "201", "Content-Type: application/sdp", "Location: /whip/r/n-test/", "ETag: \"")
	resource := n.Server.URL + created.header("Location")
	curl(t, "-X", "OPTIONS", resource).is(t, "204", "Allow: DELETE, OPTIONS, PATCH")
	curl(t, resource).is(t, "405", "Allow: DELETE, OPTIONS, PATCH")
	curl(t, "-X", "POST", resource).is(t, "405")
	curl(t, "-X", "DELETE", resource).is(t, "401")
	curl(t, "-X", "DELETE", "-H", "Authorization: Bearer sk_acc_other", resource).is(t, "403")
	curl(t, "-X", "DELETE", "-H", key, resource).is(t, "200")
	curl(t, "-X", "DELETE", "-H", key, resource).is(t, "404")
}

type curled struct{ status, text string }

func curl(t *testing.T, args ...string) curled {
	t.Helper()
	out, err := exec.Command("curl", append([]string{"-s", "-i", "--max-time", "20"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %v: %v\n%s", args, err, out)
	}
	text := string(out)
	for strings.HasPrefix(text, "HTTP/1.1 100") { // curl prints the interim answer, too
		_, text, _ = strings.Cut(text, "\r\n\r\n")
	}
	fields := strings.Fields(text)
	if len(fields) < 2 {
		t.Fatalf("curl %v printed %q", args, text)
	}
	return curled{status: fields[1], text: text}
}

func (c curled) is(t *testing.T, status string, headers ...string) {
	t.Helper()
	if c.status != status {
		t.Errorf("status %s, not %s:\n%s", c.status, status, c.text)
	}
	for _, want := range headers {
		if !strings.Contains(strings.ToLower(c.text), strings.ToLower(want)) {
			t.Errorf("no %q in:\n%s", want, c.text)
		}
	}
}

func (c curled) header(name string) string {
	for line := range strings.SplitSeq(c.text, "\r\n") {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return value
		}
	}
	return ""
}

// publishOffer is what a publisher without a camera would send.
func publishOffer(t *testing.T) string {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
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
	return offer.SDP
}
