package bus

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/realtime"
)

const (
	keyPrefix = "rialto:rt:"
	// roomTTL lets rooms that nobody publishes to or watches go from Redis.
	roomTTL = 24 * time.Hour
	// seenTTL is how long an id is remembered: longer than a dispatcher goes on
	// with something whose outcome it did not learn.
	seenTTL = 15 * time.Minute

	repairers      = 4
	readTimeout    = 2 * time.Second
	pageLimit      = 512
	repairPause    = 100 * time.Millisecond
	commandTimeout = 2 * time.Second
)

// RedisConfig is what a bus over Redis is made of.
type RedisConfig struct {
	Client *redis.Client
	// Node is this node's id among those that count viewers, of letters,
	// digits, '.', '_', '-' and ':'; default: a random one.
	Node    string
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// CheckEvery is how often each feed asks where Redis stands even when all
	// seems well; default TailWithin/3. What is missing at two looks is read.
	CheckEvery time.Duration
	// Lose is for tests and benches: it says of each message that came over
	// Pub/Sub whether it is lost on its way to the room's feed. Offset is 0 for
	// a cast. It is called by one goroutine. Nil loses nothing.
	Lose func(room realtime.RoomID, offset int64) bool
}

// TailWithin is how soon a node knows that the newest event of a room was lost
// on its way, when nothing comes behind it and Redis answers at once.
const TailWithin = time.Second

// defaultCheckEvery leaves a third for reading what is missing.
const defaultCheckEvery = TailWithin / 3

// Redis is the bus of a cluster of nodes.
type Redis struct {
	// static
	client     *redis.Client
	node       string
	log        *slog.Logger
	metrics    *metrics
	sizes      sizes
	beats      beats
	checkEvery time.Duration
	lose       func(channel string, offset int64) bool
	wake       chan struct{} // something is in todo

	subs sync.Mutex // orders changes of feeds together with their commands

	mu     sync.Mutex
	feeds  map[string]map[*feed]struct{} // by channel
	pubsub *redis.PubSub                 // of the connection that is up
	todo   []*feed                       // want their history read
	queued map[*feed]struct{}            // are in todo
	shares map[realtime.RoomID]share     // what this node last said of its rooms
}

var _ Bus = (*Redis)(nil)

// NewRedis makes a bus over cfg.Client; Run starts it.
func NewRedis(cfg RedisConfig) (*Redis, error) {
	if cfg.Client == nil {
		return nil, errors.New("bus: a Redis client is needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.CheckEvery == 0 {
		cfg.CheckEvery = defaultCheckEvery
	}
	if cfg.Node == "" {
		cfg.Node = uuid.NewString()
	}
	if err := realtime.RoomID(cfg.Node).Validate(); err != nil { // the same alphabet
		return nil, fmt.Errorf("bus: node id: %w", err)
	}
	lose := func(string, int64) bool { return false }
	if cfg.Lose != nil {
		lose = func(channel string, offset int64) bool { return cfg.Lose(roomOf(channel), offset) }
	}
	return &Redis{
		lose: lose, client: cfg.Client, node: cfg.Node, log: cfg.Log, metrics: newMetrics(cfg.Metrics),
		sizes: fullSizes, beats: fullBeats, checkEvery: cfg.CheckEvery,
		wake: make(chan struct{}, repairers), feeds: map[string]map[*feed]struct{}{}, queued: map[*feed]struct{}{},
		shares: map[realtime.RoomID]share{},
	}, nil
}

// Run listens and repairs until ctx ends.
func (b *Redis) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { b.listen(ctx); return nil })
	g.Go(func() error { b.check(ctx); return nil })
	for range repairers {
		g.Go(func() error { b.repair(ctx); return nil })
	}
	return g.Wait()
}

// The keys of one room share a {hash tag}, so that a Redis Cluster keeps them
// together.
func metaKey(room string) string     { return keyPrefix + "{" + room + "}:meta" }
func historyKey(room string) string  { return keyPrefix + "{" + room + "}:log" }
func seenKey(room, id string) string { return keyPrefix + "{" + room + "}:id:" + id }
func keptKey(room string) string     { return keyPrefix + "{" + room + "}:kept" }
func keptIDsKey(room string) string  { return keyPrefix + "{" + room + "}:keptids" }
func valuesKey(room string) string   { return keyPrefix + "{" + room + "}:values" }
func viewersKey(room string) string  { return keyPrefix + "{" + room + "}:viewers" }
func channelOf(room string) string   { return keyPrefix + "{" + room + "}" }

func roomOf(channel string) realtime.RoomID {
	return realtime.RoomID(strings.TrimSuffix(strings.TrimPrefix(channel, keyPrefix+"{"), "}"))
}

//go:embed publish.lua
var publishSource string

//go:embed read.lua
var readSource string

//go:embed look.lua
var lookSource string

var (
	publishScript = redis.NewScript(publishSource)
	readScript    = redis.NewScript(readSource)
	lookScript    = redis.NewScript(lookSource)
)

// Publish implements Bus.
func (b *Redis) Publish(ctx context.Context, room realtime.RoomID, e realtime.Event) (int64, error) {
	e, err := prepare(room, e)
	if err != nil {
		return 0, fmt.Errorf("publish to %s: %w", room, err)
	}
	return b.publish(ctx, string(room), e)
}

func (b *Redis) publish(ctx context.Context, room string, e realtime.Event) (int64, error) {
	payload, err := encode(e)
	if err != nil {
		return 0, fmt.Errorf("publish to %s: %w", room, err)
	}
	reply, err := publishScript.Run(ctx, b.client,
		[]string{metaKey(room), historyKey(room), seenKey(room, e.ID)},
		uuid.NewString(), b.sizes.history, roomTTL.Milliseconds(), seenTTL.Milliseconds(), channelOf(room), e.ID, payload,
	).Int64Slice()
	if err != nil {
		b.metrics.publishErrors.Inc()
		return 0, fmt.Errorf("publish to %s: %w", room, err)
	}
	if len(reply) != 2 {
		return 0, fmt.Errorf("publish to %s: a reply of %d values", room, len(reply))
	}
	if reply[1] == 0 {
		b.metrics.repeated.Inc()
	} else {
		b.metrics.published.Inc()
	}
	return reply[0], nil
}

// read asks a room's history for limit events from an offset on. stale, if not
// empty, is an epoch to end.
func (b *Redis) read(ctx context.Context, room string, from int64, limit int, stale string) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	reply, err := readScript.Run(ctx, b.client,
		[]string{metaKey(room), historyKey(room)}, uuid.NewString(), stale, from, limit, roomTTL.Milliseconds()).Slice()
	if err != nil {
		return page{}, fmt.Errorf("history of %s: %w", room, err)
	}
	return parsePage(reply)
}

var errReply = errors.New("bus: a reply of an unknown shape")

func parsePage(reply []any) (p page, err error) {
	if len(reply) != 4 {
		return p, errReply
	}
	epoch, ok1 := reply[0].(string)
	top, ok2 := reply[1].(int64)
	id, ok3 := reply[2].(string)
	entries, ok4 := reply[3].([]any)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return p, errReply
	}
	p = page{epoch: epoch, top: top, topID: id}
	for _, e := range entries {
		m, err := parseEntry(e)
		if err != nil {
			return page{}, err
		}
		p.events = append(p.events, m)
	}
	return p, nil
}

// parseEntry reads [id, [p, event]].
func parseEntry(entry any) (m message, err error) {
	pair, ok := entry.([]any)
	if !ok || len(pair) != 2 {
		return m, errReply
	}
	id, ok1 := pair[0].(string)
	fields, ok2 := pair[1].([]any)
	if !ok1 || !ok2 || len(fields) != 2 {
		return m, errReply
	}
	number, _, _ := strings.Cut(id, "-")
	if m.offset, err = strconv.ParseInt(number, 10, 64); err != nil {
		return m, fmt.Errorf("%w: entry %q", errReply, id)
	}
	payload, ok := fields[1].(string)
	if !ok {
		return m, errReply
	}
	m.event, err = decode([]byte(payload))
	return m, err
}

// parseLive reads "epoch offset event".
func parseLive(text string) (epoch string, m message, err error) {
	epoch, rest, ok1 := strings.Cut(text, " ")
	number, payload, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 {
		return "", m, errReply
	}
	if m.offset, err = strconv.ParseInt(number, 10, 64); err != nil {
		return "", m, fmt.Errorf("%w: offset %q", errReply, number)
	}
	m.event, err = decode([]byte(payload))
	return epoch, m, err
}

// Control implements Bus.
func (b *Redis) Control(ctx context.Context, payload json.RawMessage) error {
	e, err := controlEvent(payload)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	_, err = b.publish(ctx, controlRoom, e)
	return err
}

// OnControl implements Bus.
func (b *Redis) OnControl(ctx context.Context, f func(json.RawMessage)) error {
	lost := func() {
		b.log.Warn("realtime: Redis lost its memory; control messages of the last moments may be lost with it")
	}
	return follow(ctx, func(ctx context.Context) (realtime.Feed, error) { return b.subscribe(ctx, controlRoom) }, lost, f)
}
