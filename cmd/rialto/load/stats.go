package load

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// Stats is what a crowd has seen so far. Times are in the order of size.
type Stats struct {
	Joined   int            // sessions with keys, those that have ended since included
	Playing  int            // had their first picture
	Ended    int            // closed by the server, or fallen silent
	Refused  map[int]int    // by HTTP status
	Failed   map[string]int // by cause
	Waited   int            // told 503 at first, and came back (Config.Retry); they may be in Joined or Refused in the end
	Answered int            // joined, refused or failed

	FirstPictures []time.Duration // from the request to a whole keyframe

	Video, Audio   int64 // packets, each number once
	Bytes          int64
	Lost           int64 // numbers that did not come
	LostVideo      int64
	Repeated       int64 // packets of a number that had come; some viewers ask for them
	Broken         int64 // packets that could not be decrypted
	Checked        int64 // packets that were
	PublisherCodec string
}

// Stats may be called at any time.
func (c *Crowd) Stats() Stats {
	c.mu.Lock()
	viewers := slices.Clone(c.viewers)
	s := Stats{Joined: len(viewers), Refused: maps.Clone(c.refused), Failed: maps.Clone(c.failed), Answered: int(c.answered.Load()), Waited: int(c.waited.Load())}
	c.mu.Unlock()
	for _, v := range viewers {
		v.addTo(&s)
	}
	slices.Sort(s.FirstPictures)
	return s
}

func (v *Viewer) addTo(s *Stats) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil && !errors.Is(v.err, errLeft) {
		s.Ended++
	}
	if v.picture.done {
		s.Playing++
		s.FirstPictures = append(s.FirstPictures, v.firstPicture)
		s.PublisherCodec = v.codec
	}
	s.Video += v.video.packets
	s.Audio += v.audio.packets
	s.Bytes += v.video.bytes + v.audio.bytes
	s.LostVideo += v.video.lost()
	s.Lost += v.video.lost() + v.audio.lost()
	s.Repeated += v.video.repeated + v.audio.repeated + v.repairs
	s.Broken += v.broken
	s.Checked += v.checked
}

// Percentile of sorted times: the smallest that p of 100 do not exceed. Zero of none.
func Percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max((len(sorted)*p+99)/100-1, 0)]
}
