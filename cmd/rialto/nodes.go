package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/media"
)

// The node directory, in Redis: which nodes run and where people reach them,
// and which node is the origin of each stream. Entries lapse by themselves
// when a node dies, so nothing here needs to be cleaned up after a crash.
const (
	nodeKeyPrefix   = "rialto:node:"
	originKeyPrefix = "rialto:origin:"
	nodeLifetime    = 6 * time.Second // a dead node's entries are gone after this
	nodeBeat        = 1 * time.Second
	maxNodes        = 256
	claimPatience   = 30 * time.Second // ICE and DTLS of a publisher end long before
)

// claimScript makes this node (ARGV[1]) a stream's origin (KEYS[1]) unless
// another living node is: an origin that stopped beating is replaced.
var claimScript = redis.NewScript(`
local origin = redis.call('GET', KEYS[1])
if origin and origin ~= ARGV[1] and redis.call('EXISTS', ARGV[2] .. origin) == 1 then
  return origin
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return ARGV[1]
`)

// releaseScript forgets a stream's origin if it is this node.
var releaseScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
`)

// directory is one node's view of all nodes.
type directory struct {
	id        string
	publicURL string
	redis     *redis.Client
	streamsHere
	log     *slog.Logger
	arrived bool // owned by run: the first beat is over

	mu sync.Mutex
	// guarded by mu
	claimed map[media.StreamID]time.Time // streams this node is the origin of, since when
	peers   map[string]peerNode          // the other nodes
	looked  bool                         // peers has been read
	blind   time.Time                    // when this node last looked and Redis did not answer
}

// peerNode is another node as this one knows it. It counts as alive for
// nodeLifetime after its last beat, also without an entry: Redis may have lost
// its memory, and the node has not.
type peerNode struct {
	url  string
	beat time.Time
}

// streamsHere is what the directory asks of this node's relay.
type streamsHere struct {
	onAir func(media.StreamID) bool // a claim that came to nothing is given back
	close func(media.StreamID)      // another node is the origin now
}

func newDirectory(rdb *redis.Client, publicURL string, here streamsHere, log *slog.Logger) *directory {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	return &directory{
		id: "n-" + hex.EncodeToString(random[:]), publicURL: publicURL, redis: rdb, streamsHere: here, log: log,
		claimed: map[media.StreamID]time.Time{}, peers: map[string]peerNode{},
	}
}

// run keeps this node's entries alive until ctx ends, then takes them back.
func (d *directory) run(ctx context.Context) error {
	beat := time.NewTicker(nodeBeat)
	defer beat.Stop()
	for failing := false; ; {
		err := d.beat(ctx)
		if ctx.Err() != nil {
			d.leave()
			return nil
		}
		if err != nil {
			d.mu.Lock()
			d.blind = time.Now()
			d.mu.Unlock()
		}
		if (err != nil) != failing {
			failing = err != nil
			d.log.Warn("node directory", "reachable", !failing, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-beat.C:
		}
	}
}

func (d *directory) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, nodeLifetime/2)
	defer cancel()
	if err := d.redis.Set(ctx, nodeKeyPrefix+d.id, d.publicURL, nodeLifetime).Err(); err != nil {
		return err
	}
	found, err := d.readNodes(ctx)
	if err != nil {
		return err
	}
	if err := d.succeed(ctx, found); err != nil {
		return err
	}
	d.see(found)
	return d.keepClaims(ctx)
}

// succeed takes back, once, what an earlier node at this address has left: it
// was killed, and its streams would be looked for at this very address.
func (d *directory) succeed(ctx context.Context, found map[string]peerNode) error {
	if d.arrived {
		return nil
	}
	for id, at := range found {
		if id == d.id || at.url != d.publicURL {
			continue
		}
		if err := d.redis.Del(ctx, nodeKeyPrefix+id).Err(); err != nil {
			return err
		}
		delete(found, id)
	}
	d.arrived = true
	return nil
}

func (d *directory) see(found map[string]peerNode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looked = true
	for id, at := range found {
		if id == d.id {
			continue
		}
		if _, known := d.peers[id]; !known && at.url == d.publicURL {
			d.log.Error("another running node has this node's PUBLIC_URL: give each its own, or viewers cannot be sent to the right one", "node", id, "public_url", at)
		}
		d.peers[id] = at
	}
	maps.DeleteFunc(d.peers, func(_ string, p peerNode) bool { return time.Since(p.beat) > nodeLifetime })
}

// keepClaims renews this node's claims. One that another node has taken, after
// Redis lost its memory, is followed: two origins of a stream are one too many.
func (d *directory) keepClaims(ctx context.Context) error {
	for _, id := range d.streams() {
		if d.idle(id) {
			if err := d.Release(ctx, id); err != nil {
				return err
			}
			continue
		}
		origin, err := d.claim(ctx, id)
		if err != nil {
			return err
		}
		if origin != d.id {
			d.forget(id)
			d.close(id)
		}
	}
	return nil
}

// idle says whether a claim was made long enough ago for its publisher to have
// come, and it has not.
func (d *directory) idle(id media.StreamID) bool {
	d.mu.Lock()
	since := d.claimed[id]
	d.mu.Unlock()
	return time.Since(since) > claimPatience && !d.onAir(id)
}

func (d *directory) readNodes(ctx context.Context) (map[string]peerNode, error) {
	nodes := map[string]peerNode{}
	scan := d.redis.Scan(ctx, 0, nodeKeyPrefix+"*", maxNodes).Iterator()
	for scan.Next(ctx) && len(nodes) < maxNodes {
		var at *redis.StringCmd
		var left *redis.DurationCmd
		_, err := d.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			at, left = p.Get(ctx, scan.Val()), p.PTTL(ctx, scan.Val())
			return nil
		})
		if errors.Is(err, redis.Nil) || err == nil && left.Val() <= 0 {
			continue // lapsed in these moments
		}
		if err != nil {
			return nil, err
		}
		// What is left of its life says when it last beat: an entry that is
		// still there is no sign of life by itself.
		beat := time.Now().Add(left.Val() - nodeLifetime)
		nodes[scan.Val()[len(nodeKeyPrefix):]] = peerNode{url: at.Val(), beat: beat}
	}
	return nodes, scan.Err()
}

// leave tells the others at once, instead of letting the entries lapse.
func (d *directory) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), nodeBeat)
	defer cancel()
	for _, id := range d.streams() {
		_ = releaseScript.Run(ctx, d.redis, []string{originKeyPrefix + string(id)}, d.id).Err()
	}
	_ = d.redis.Del(ctx, nodeKeyPrefix+d.id).Err()
}

func (d *directory) streams() []media.StreamID {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := make([]media.StreamID, 0, len(d.claimed))
	for id := range d.claimed {
		ids = append(ids, id)
	}
	return ids
}

func (d *directory) forget(id media.StreamID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.claimed, id)
}

func (d *directory) claim(ctx context.Context, id media.StreamID) (node string, err error) {
	node, err = claimScript.Run(ctx, d.redis, []string{originKeyPrefix + string(id)},
		d.id, nodeKeyPrefix, nodeLifetime.Milliseconds()).Text()
	if err != nil {
		return "", fmt.Errorf("claim stream %s: %w", id, err)
	}
	return node, nil
}

// Claim makes this node the origin of a stream. A non-empty URL says that the
// stream is published on another living node, and where.
func (d *directory) Claim(ctx context.Context, id media.StreamID) (originURL string, err error) {
	node, err := d.claim(ctx, id)
	if err != nil {
		return "", err
	}
	if node != d.id {
		if at, err := d.urlOf(ctx, node); err != nil || at != "" {
			return at, err
		}
		// The origin died between the two questions.
		if err := d.redis.Set(ctx, originKeyPrefix+string(id), d.id, nodeLifetime).Err(); err != nil {
			return "", fmt.Errorf("claim stream %s: %w", id, err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.claimed[id] = time.Now()
	return "", nil
}

// Release gives a stream's origin up, once its publisher is gone for good.
func (d *directory) Release(ctx context.Context, id media.StreamID) error {
	d.forget(id)
	if err := releaseScript.Run(ctx, d.redis, []string{originKeyPrefix + string(id)}, d.id).Err(); err != nil {
		return fmt.Errorf("release stream %s: %w", id, err)
	}
	return nil
}

// Locate says where a stream is published: "" means here, or nowhere.
func (d *directory) Locate(ctx context.Context, id media.StreamID) (originURL string, err error) {
	node, err := d.redis.Get(ctx, originKeyPrefix+string(id)).Result()
	if errors.Is(err, redis.Nil) || (err == nil && node == d.id) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("locate stream %s: %w", id, err)
	}
	return d.urlOf(ctx, node)
}

func (d *directory) urlOf(ctx context.Context, node string) (string, error) {
	if at, ok := d.NodeURL(node); ok {
		return at, nil
	}
	at, err := d.redis.Get(ctx, nodeKeyPrefix+node).Result()
	if errors.Is(err, redis.Nil) || at == d.publicURL {
		return "", nil // the origin died; its entry lapses next
	}
	if err != nil {
		return "", fmt.Errorf("node %s: %w", node, err)
	}
	return at, nil
}

// NodeURL is where people reach another node, as of the last beat. It is never
// this node's own address: a redirect to it would come back for ever.
func (d *directory) NodeURL(node string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.peers[node]
	return at.url, ok && at.url != d.publicURL
}

// alive lists the ids of all nodes that run, this one included. It is not sure
// of it for a lifetime after Redis was away: the entries of the living lapsed
// meanwhile, and each node needs a moment to write its own again.
func (d *directory) alive() (ids []string, sure bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append(slices.Collect(maps.Keys(d.peers)), d.id), d.looked && time.Since(d.blind) > nodeLifetime
}

// Origins lists where pages may connect to: every living node's URL.
func (d *directory) Origins() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	origins := append([]string{d.publicURL}, loopbackTwin(d.publicURL)...)
	for _, at := range d.peers {
		origins = append(origins, at.url)
	}
	return origins
}

// loopbackTwin is the other spelling of this machine: whoever opens
// 127.0.0.1 instead of localhost is at the same node.
func loopbackTwin(at string) []string {
	u, err := url.Parse(at)
	if err != nil {
		return nil
	}
	switch u.Hostname() {
	case "localhost":
		u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	case "127.0.0.1":
		u.Host = net.JoinHostPort("localhost", u.Port())
	default:
		return nil
	}
	return []string{u.String()}
}
