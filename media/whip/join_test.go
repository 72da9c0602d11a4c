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

// encoder makes keyframes when it likes, as OBS does: here every three seconds.
type encoder struct{ client.Source }

func newEncoder() client.Source {
	return encoder{mediatest.NewSource(mediatest.Script{GOP: 60})}
}

// newBrowser makes keyframes on request alone.
func newBrowser() client.Source { return mediatest.NewSource(mediatest.Script{}) }

// newKeyframe waits until a viewer has seen one more.
func newKeyframe(t *testing.T, v *client.Viewer) {
	t.Helper()
	before := v.Stats().Video.Keyframes
	whiptest.Await(t, v, patience, func(s client.ViewerStats) bool { return s.Video.Keyframes > before })
}

func TestFirstPictureAtFivePercentLoss(t *testing.T) {
	for name, source := range map[string]func() client.Source{"browser": newBrowser, "encoder": newEncoder} {
		t.Run(name, func(t *testing.T) {
			n := whiptest.Start(t)
			pulse := startPulse(t)
			n.Publish(t, "shw_a", "acc_mara", source())
			other := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
			whiptest.Await(t, other, patience, frames(10))
			const joins, atOnce = 24, 4
			for first := uint64(0); first < joins; first += atOnce {
				t.Run(fmt.Sprint("from ", first), func(t *testing.T) {
					for seed := first; seed < first+atOnce; seed++ {
						t.Run(fmt.Sprint(seed), func(t *testing.T) {
							t.Parallel()
							_, network := lossy(t, seed, mediatest.Profile{Loss: 0.05, Delay: 10 * time.Millisecond})
							expectPicture(t, n, pulse, network)
						})
					}
				})
			}
		})
	}
}

// The first packets of a picture are those that a player cannot know to be
// missing: nothing came before them. All of it is lost when the last flight of
// the handshake is, since the viewer has no keys yet.
func TestFirstPacketsOfAJoinAreLost(t *testing.T) {
	n := whiptest.Start(t)
	pulse := startPulse(t)
	n.Publish(t, "shw_a", "acc_mara", newEncoder())
	other := n.Watch(t, client.ViewerConfig{URL: n.WHEP("shw_a")})
	for _, lost := range []int{1, 3, 30} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			newKeyframe(t, other) // the next one is three seconds away
			line, network := lossy(t, 1, mediatest.Profile{Delay: 10 * time.Millisecond})
			left := lost
			line.Lose(func(in bool, packet []byte) bool {
				if left == 0 || !in || !mediatest.IsVideo(packet) {
					return false
				}
				left--
				return true
			})
			expectPicture(t, n, pulse, network)
		})
	}
}

func expectPicture(t *testing.T, n *whiptest.Node, pulse *mediatest.Pulse, network client.Network) {
	t.Helper()
	took, s := firstPicture(t, n, pulse, network)
	t.Logf("first picture after %v, %d undecodable before it", took, s.Video.Broken)
	if took > maxFirstPicture {
		t.Errorf("it took %v: %+v", took, s.Video)
	}
}
