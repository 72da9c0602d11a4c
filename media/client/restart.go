package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pion/webrtc/v4"
)

// Restart moves the session to new addresses: an ICE restart by PATCH, as a
// phone does that changes from Wi-Fi to the mobile network. When the server
// refuses, the session goes on as before.
func (s *session) Restart(ctx context.Context) error {
	s.mu.Lock()
	at := s.at
	s.mu.Unlock()
	if at.url == nil {
		return errors.New("client: no session to restart")
	}
	before := s.pc.RemoteDescription()
	offer, err := s.gather(ctx, &webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		return err
	}
	answer, err := at.patch(ctx, "*", iceFragment(offer))
	if err != nil {
		return errors.Join(err, s.pc.SetLocalDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeRollback}))
	}
	s.mu.Lock()
	s.at.etag = at.etag
	s.mu.Unlock()
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: replaceICE(before.SDP, string(answer.body))}
	if err := s.pc.SetRemoteDescription(description); err != nil {
		return fmt.Errorf("client: ICE restart: %w", err)
	}
	return nil
}

func isICE(line string) bool {
	for _, name := range []string{"a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"} {
		if strings.HasPrefix(line, name) {
			return true
		}
	}
	return false
}

// iceFragment takes what RFC 8840 wants from a description: with BUNDLE, the
// first section's transport is everybody's.
func iceFragment(sdp string) string {
	var b strings.Builder
	sections := 0
	for line := range strings.SplitSeq(sdp, "\r\n") {
		if strings.HasPrefix(line, "m=") {
			sections++
		}
		if sections > 1 {
			break
		}
		if sections == 1 && (strings.HasPrefix(line, "m=") || strings.HasPrefix(line, "a=mid:") || isICE(line)) {
			b.WriteString(line + "\r\n")
		}
	}
	return b.String()
}

// replaceICE puts the server's new transport in the place of its old one.
func replaceICE(sdp, fragment string) string {
	var fresh strings.Builder
	for line := range strings.SplitSeq(strings.ReplaceAll(fragment, "\r\n", "\n"), "\n") {
		if isICE(line) {
			fresh.WriteString(line + "\r\n")
		}
	}
	var b strings.Builder
	for line := range strings.SplitSeq(sdp, "\r\n") {
		if line == "" || isICE(line) {
			continue
		}
		b.WriteString(line + "\r\n")
		if strings.HasPrefix(line, "a=mid:") {
			b.WriteString(fresh.String())
		}
	}
	return b.String()
}
