package client

import (
	"slices"
	"strings"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

const (
	// holdTime is how long a missing packet is waited for before the picture
	// is given up until the next keyframe, as a browser's jitter buffer does.
	// Both the clock and the media have to have moved on that far: what waits
	// in the socket of a machine that stood still has not been lost.
	holdTime = time.Second
	// maxHeld bounds the packets that wait behind a missing one.
	maxHeld = 2048
	// maxFrameBytes bounds a frame, so that a broken sender cannot fill memory.
	maxFrameBytes = 4 << 20
)

// TrackStats counts what arrived of one track.
type TrackStats struct {
	Packets, Bytes    int64
	Duplicates        int64
	Lost              int64 // packets given up
	Frames, Keyframes int64 // decodable ones
	Broken            int64 // frames that could not be decoded
	First, Last       time.Time
	// LongestGap is the longest time between two decodable frames, that is the
	// longest freeze a person would have seen.
	LongestGap time.Duration
	MIME       string
}

// assembler puts the packets of a track in order and finds the frames in them.
// The caller guards it.
type assembler struct {
	video bool
	stats TrackStats

	started bool
	next    uint16 // the sequence number waited for
	held    map[uint16]heldPacket
	since   time.Time // when the wait for next began
	reached uint32    // RTP time of the last packet in order
	newest  uint32    // RTP time of the newest packet held

	frame     Frame
	open      bool // a frame is being collected
	damaged   bool // it lacks a part
	decodable bool // the reference frames are there
}

type heldPacket struct {
	packet *rtp.Packet
	mime   string
}

func newAssembler(video bool) *assembler {
	return &assembler{video: video, held: map[uint16]heldPacket{}}
}

// push takes one packet and returns the frames it completed.
func (a *assembler) push(mime string, packet *rtp.Packet, now time.Time) []Frame {
	a.stats.Packets++
	a.stats.Bytes += int64(len(packet.Payload))
	sequence := packet.SequenceNumber
	if !a.started {
		a.started, a.next = true, sequence
		a.reached, a.newest = packet.Timestamp, packet.Timestamp
	}
	if int16(sequence-a.next) < 0 || a.held[sequence].packet != nil {
		a.stats.Duplicates++
		return nil
	}
	if len(a.held) == 0 {
		a.since = now
	}
	a.held[sequence] = heldPacket{packet: packet, mime: mime}
	if int32(packet.Timestamp-a.newest) > 0 {
		a.newest = packet.Timestamp
	}
	frames := a.release(nil, now)
	for len(a.held) > 0 && (a.waitedEnough(now) || len(a.held) > maxHeld) {
		a.giveUp()
		frames = a.release(frames, now)
	}
	return frames
}

func (a *assembler) waitedEnough(now time.Time) bool {
	clock := uint32(48000)
	if a.video {
		clock = 90000
	}
	return now.Sub(a.since) > holdTime && a.newest-a.reached > clock*uint32(holdTime/time.Second)
}

func (a *assembler) release(frames []Frame, now time.Time) []Frame {
	for {
		h, ok := a.held[a.next]
		if !ok {
			return frames
		}
		delete(a.held, a.next)
		a.next++
		a.since = now
		a.reached = h.packet.Timestamp
		frames = a.inOrder(frames, h, now)
	}
}

// giveUp skips to the oldest packet at hand.
func (a *assembler) giveUp() {
	distances := make([]uint16, 0, len(a.held))
	for sequence := range a.held {
		distances = append(distances, sequence-a.next)
	}
	skip := slices.Min(distances)
	a.stats.Lost += int64(skip)
	a.next += skip
	a.damaged, a.decodable = true, false
}

func (a *assembler) inOrder(frames []Frame, h heldPacket, now time.Time) []Frame {
	p := h.packet
	if !a.video {
		a.frame = Frame{MIME: h.mime, Timestamp: p.Timestamp, Data: p.Payload}
		a.damaged, a.decodable = false, true
		return a.finish(frames, now)
	}
	if len(p.Payload) == 0 {
		return frames // padding keeps its place in the sequence and carries nothing
	}
	if a.open && p.Timestamp != a.frame.Timestamp {
		frames = a.finish(frames, now) // its marker was lost or never sent
	}
	starts, keyframe, data := depacketize(h.mime, p.Payload)
	if !a.open {
		a.open = true
		a.damaged = !starts
		a.frame = Frame{Video: true, MIME: h.mime, Timestamp: p.Timestamp}
	}
	a.frame.Keyframe = a.frame.Keyframe || keyframe
	if data == nil || len(a.frame.Data)+len(data) > maxFrameBytes {
		a.damaged = true
	} else {
		a.frame.Data = append(a.frame.Data, data...)
	}
	if p.Marker {
		frames = a.finish(frames, now)
	}
	return frames
}

func (a *assembler) finish(frames []Frame, now time.Time) []Frame {
	frame, damaged := a.frame, a.damaged
	a.frame, a.open, a.damaged = Frame{}, false, false
	if frame.Video {
		a.decodable = !damaged && (a.decodable || frame.Keyframe)
	}
	if !a.decodable {
		a.stats.Broken++
		return frames
	}
	frame.At = now
	if a.stats.First.IsZero() {
		a.stats.First = now
	} else {
		a.stats.LongestGap = max(a.stats.LongestGap, now.Sub(a.stats.Last))
	}
	a.stats.Last = now
	a.stats.Frames++
	if frame.Keyframe {
		a.stats.Keyframes++
	}
	a.stats.MIME = frame.MIME
	return append(frames, frame)
}

func (a *assembler) waitsForKeyframe() bool { return a.video && a.started && !a.decodable && !a.open }

func (a *assembler) snapshot(now time.Time) TrackStats {
	stats := a.stats
	if !stats.Last.IsZero() {
		stats.LongestGap = max(stats.LongestGap, now.Sub(stats.Last))
	}
	return stats
}

// depacketize says whether a payload begins a frame, whether that frame is a
// keyframe, and what it adds to it; nil data is a payload that makes no sense.
func depacketize(mime string, payload []byte) (starts, keyframe bool, data []byte) {
	switch {
	case strings.EqualFold(mime, VP8):
		var p codecs.VP8Packet
		data, err := p.Unmarshal(payload)
		if err != nil || len(data) == 0 {
			return false, false, nil
		}
		starts = p.S == 1 && p.PID == 0
		return starts, starts && data[0]&1 == 0, data
	case strings.EqualFold(mime, H264):
		return depacketizeH264(payload)
	default:
		return false, false, nil
	}
}

const (
	naluIDR  = 5
	naluSPS  = 7
	naluSTAP = 24
	naluFU   = 28
)

// depacketizeH264 gives the bytes in Annex B form.
func depacketizeH264(payload []byte) (starts, keyframe bool, data []byte) {
	startCode := []byte{0, 0, 0, 1}
	switch kind := payload[0] & 0x1f; {
	case kind == naluSTAP:
		for rest := payload[1:]; len(rest) > 0; {
			if len(rest) < 3 {
				return false, false, nil
			}
			size := int(rest[0])<<8 | int(rest[1])
			if size == 0 || size > len(rest)-2 {
				return false, false, nil
			}
			keyframe = keyframe || isKey(rest[2]&0x1f)
			data = append(append(data, startCode...), rest[2:2+size]...)
			rest = rest[2+size:]
		}
		return true, keyframe, data
	case kind == naluFU && len(payload) > 2:
		begins := payload[1]&0x80 != 0
		if begins {
			data = append(startCode, payload[0]&0xe0|payload[1]&0x1f)
		}
		return begins, begins && isKey(payload[1]&0x1f), append(data, payload[2:]...)
	case kind > 0 && kind < naluSTAP:
		return true, isKey(kind), append(startCode, payload...)
	default:
		return false, false, nil
	}
}

func isKey(nalu byte) bool { return nalu == naluIDR || nalu == naluSPS }
