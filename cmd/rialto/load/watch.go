package load

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Watch opens a crowd, tells every second how it fares, and ends it after a time (0: when ctx ends). It returns an error
// when nobody could join.
func Watch(ctx context.Context, c Config, lasts time.Duration, out io.Writer) error {
	crowd, err := New(c)
	if err != nil {
		return err
	}
	defer crowd.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if lasts > 0 {
		stop := time.AfterFunc(lasts, cancel)
		defer stop.Stop()
	}
	joined := make(chan struct{})
	started := time.Now()
	go func() { // ends with ctx at the latest; it is waited for below
		defer close(joined)
		_ = crowd.Join(ctx) // the time is over, or somebody has had enough
		if crowd.Stats().Joined == 0 {
			cancel() // there is nothing to watch
		}
	}()
	tell(ctx, crowd, out)
	<-joined
	stats := crowd.Stats()
	summarize(out, stats, time.Since(started))
	if stats.Joined == 0 {
		return fmt.Errorf("none of %d viewers could join", c.Viewers)
	}
	return nil
}

// tell prints a line a second until ctx ends.
func tell(ctx context.Context, crowd *Crowd, out io.Writer) {
	var before Stats
	eachSecond(ctx, func() {
		s := crowd.Stats()
		fmt.Fprintf(out, "%d of %d joined, %d playing, %d refused, %d failed, %d ended; %d packets/s, %d lost\n",
			s.Joined, crowd.config.Viewers, s.Playing, total(s.Refused), total(s.Failed), s.Ended,
			s.Video+s.Audio-before.Video-before.Audio, s.Lost)
		before = s
	})
}

func summarize(out io.Writer, s Stats, took time.Duration) {
	fmt.Fprintf(out, "\nin %.1f s\n", took.Seconds())
	fmt.Fprintf(out, "  joined        %d, of them playing %d, ended by the server %d\n", s.Joined, s.Playing, s.Ended)
	for _, status := range slices.Sorted(maps.Keys(s.Refused)) {
		fmt.Fprintf(out, "  refused       %d with status %d\n", s.Refused[status], status)
	}
	if s.Waited > 0 {
		fmt.Fprintf(out, "  told to wait  %d with status 503, and came back\n", s.Waited)
	}
	for _, why := range slices.Sorted(maps.Keys(s.Failed)) {
		fmt.Fprintf(out, "  failed        %d: %s\n", s.Failed[why], why)
	}
	fmt.Fprintf(out, "  first picture p50 %d ms, p95 %d ms, p99 %d ms\n", Percentile(s.FirstPictures, 50).Milliseconds(),
		Percentile(s.FirstPictures, 95).Milliseconds(), Percentile(s.FirstPictures, 99).Milliseconds())
	fmt.Fprintf(out, "  packets       %d video (%s), %d audio, %.1f MB\n", s.Video, s.PublisherCodec, s.Audio, float64(s.Bytes)/1e6)
	fmt.Fprintf(out, "  lost          %d; sent again %d; not to be decrypted %d of %d looked at\n", s.Lost, s.Repeated, s.Broken, s.Checked+s.Broken)
}
