package peer

import "github.com/pion/sdp/v3"

// offerCopy reuses offer.restarted to apply our restart fragment to an answer, as a WHIP client does.
type offerCopy struct{ desc *sdp.SessionDescription }

func parseAnswer(text string) (*sdp.SessionDescription, error) {
	desc := &sdp.SessionDescription{}
	return desc, desc.UnmarshalString(text)
}

func (o *offerCopy) restarted(f *fragment) (string, error) {
	next := (&offer{desc: o.desc}).restarted(f)
	return next.marshal()
}
