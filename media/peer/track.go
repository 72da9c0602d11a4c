package peer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pion/webrtc/v4"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/lean"
)

var errNothingNegotiated = errors.New("no codec negotiated")

// outTrack is a TrackLocal that knows every codec negotiated with its viewer, because a takeover may change
// the codec in the middle. Its own headers carry the payload type, so Pion need not know which is in use.
type outTrack struct {
	kind media.Kind

	// set by Bind, before the connection stands
	out   webrtc.TrackLocalWriter
	ssrc  uint32
	types map[media.Codec]uint8
}

// Bind takes what was negotiated.
func (t *outTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	var first webrtc.RTPCodecParameters
	types := map[media.Codec]uint8{}
	for _, c := range ctx.CodecParameters() {
		codec, ok := codecOf(c.RTPCodecCapability)
		if !ok {
			continue
		}
		if len(types) == 0 {
			first = c
		}
		types[codec] = uint8(c.PayloadType)
	}
	if len(types) == 0 {
		return first, fmt.Errorf("%s: %w", t.kind, errNothingNegotiated)
	}
	t.out, t.ssrc, t.types = ctx.WriteStream(), uint32(ctx.SSRC()), types
	return first, nil
}

// Unbind has nothing to undo: the session's end stops the worker first.
func (t *outTrack) Unbind(webrtc.TrackLocalContext) error { return nil }

// ID of the track in the answer.
func (t *outTrack) ID() string { return t.kind.String() }

// RID is empty: a viewer gets one layer at a time.
func (t *outTrack) RID() string { return "" }

// StreamID is one for both tracks.
func (t *outTrack) StreamID() string { return lean.CNAME }

// Kind as Pion says it.
func (t *outTrack) Kind() webrtc.RTPCodecType {
	if t.kind == media.Audio {
		return webrtc.RTPCodecTypeAudio
	}
	return webrtc.RTPCodecTypeVideo
}

func (t *outTrack) line() media.Line {
	if t == nil || t.out == nil {
		return media.Line{}
	}
	return media.Line{SSRC: t.ssrc, PayloadTypes: t.types}
}

// codecOf names a negotiated codec; RTX and the like are none of ours.
func codecOf(c webrtc.RTPCodecCapability) (media.Codec, bool) {
	for _, codec := range []media.Codec{media.Opus, media.VP8, media.H264} {
		if strings.EqualFold(c.MimeType, codec.Kind().String()+"/"+codec.String()) {
			return codec, true
		}
	}
	return 0, false
}
