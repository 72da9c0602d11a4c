package whip_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/mediatest"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// maxFirstPicture is what a joining viewer is promised once its connection
// stands, on a line that loses 5 % both ways.
const maxFirstPicture = time.Second

// firstPicture joins over a line and returns how long the picture took from
// the time the connection stood, less what the machine stood still.
func firstPicture(t *testing.T, n *whiptest.Node, pulse *mediatest.Pulse, network client.Network) (time.Duration, client.ViewerStats) {
	t.Helper()
	v, err := client.Watch(t.Context(), client.ViewerConfig{URL: n.WHEP("shw_a"), Network: network})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Abandon() // the line may lose the goodbye
	var stood time.Time
	select {
	case <-v.Connected():
		stood = time.Now()
	case <-time.After(patience):
		t.Fatal("not connected")
	}
	whiptest.Await(t, v, patience, func(s client.ViewerStats) bool { return s.Video.Frames > 0 })
	s := v.Stats()
	return s.Video.First.Sub(stood) - pulse.Stood(stood, s.Video.First), s
}

func TestFirstPictureAtFivePercentLoss(t *testing.T) {
	n := whiptest.Start(t)
	pulse := startPulse(t)
	// Keyframes on request alone, as a browser makes them.
	n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
	other := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
	whiptest.Await(t, other, patience, frames(10))
	const joins, atOnce = 24, 4
	for first := uint64(0); first < joins; first += atOnce {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			for seed := first; seed < first+atOnce; seed++ {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					t.Parallel()
					_, network := lossy(t, seed, mediatest.Profile{Loss: 0.05, Delay: 10 * time.Millisecond})
					took, s := firstPicture(t, n, pulse, network)
					t.Logf("first picture after %v, %d undecodable before it", took, s.Video.Broken)
					if took > maxFirstPicture {
						t.Errorf("it took %v: %+v", took, s.Video)
					}
				})
			}
		})
	}
}

// The first packet of the picture is the one packet that a player cannot know
// to be missing: nothing came before it.
func TestFirstPacketOfAJoinIsLost(t *testing.T) {
	for lost := 1; lost <= 3; lost++ {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			n := whiptest.Start(t)
			pulse := startPulse(t)
			n.Publish(t, "shw_a", "acc_mara", mediatest.NewSource(mediatest.Script{}))
			other := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
			whiptest.Await(t, other, patience, frames(30))
			line, network := lossy(t, 1, mediatest.Profile{Delay: 10 * time.Millisecond})
			left := lost
			line.Lose(func(in bool, packet []byte) bool {
				if left == 0 || !in || !mediatest.IsVideo(packet) {
					return false
				}
				left--
				return true
			})
			took, s := firstPicture(t, n, pulse, network)
			t.Logf("first picture after %v, %d undecodable before it", took, s.Video.Broken)
			if took > maxFirstPicture {
				t.Errorf("it took %v: %+v", took, s.Video)
			}
		})
	}
}
