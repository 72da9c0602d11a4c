package embeddedtest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
)

// clusterNodes is the least that Redis calls a cluster.
const clusterNodes = 3

// clusterSlots is how many there are, Redis Cluster specification, "Key distribution model".
const clusterSlots = 16384

// RedisCluster is one test's own cluster of three masters, each with a third of the slots. One without its keys refuses
// those alone (cluster-require-full-coverage no).
type RedisCluster struct {
	tb    testing.TB
	nodes []*clusterNode
}

type clusterNode struct {
	child   *embedded.Child
	address string
	port    int
	bus     int
}

// NewRedisCluster starts an empty cluster that ends with the test.
func NewRedisCluster(tb testing.TB) *RedisCluster {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Fatalf("embeddedtest: a cluster needs redis-server: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	c := &RedisCluster{tb: tb}
	for range clusterNodes {
		c.start(ctx, path)
	}
	for i, n := range c.nodes {
		client := redis.NewClient(&redis.Options{Addr: n.address})
		first, last := i*clusterSlots/clusterNodes, (i+1)*clusterSlots/clusterNodes-1
		c.check(client.ClusterAddSlotsRange(ctx, first, last).Err())
		other := c.nodes[(i+1)%clusterNodes]
		c.check(client.Do(ctx, "cluster", "meet", "127.0.0.1", other.port, other.bus).Err())
		c.check(client.Close())
	}
	for _, n := range c.nodes {
		n.awaitWhole(ctx, c)
	}
	return c
}

func (c *RedisCluster) start(ctx context.Context, path string) {
	c.tb.Helper()
	n := &clusterNode{port: freePort(c.tb), bus: freePort(c.tb)}
	n.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port))
	dir := c.tb.TempDir()
	var err error
	n.child, err = embedded.StartChild(ctx, embedded.ChildOptions{
		Name: "redis of a cluster", Path: path, Dir: dir, Log: slog.New(slog.DiscardHandler),
		Args: []string{
			"--bind", "127.0.0.1", "--port", strconv.Itoa(n.port), "--dir", dir, "--save", "", "--appendonly", "no", "--daemonize", "no",
			"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(n.bus), "--cluster-require-full-coverage", "no",
			"--cluster-node-timeout", "1000",
		},
		Ready: func(ctx context.Context) error {
			client := redis.NewClient(&redis.Options{Addr: n.address})
			defer client.Close()
			return client.Ping(ctx).Err()
		},
		Stop: []embedded.StopStep{{Signal: syscall.SIGTERM, Wait: startWithin}},
	})
	c.check(err)
	c.nodes = append(c.nodes, n)
	c.tb.Cleanup(func() {
		if err := n.child.Stop(); err != nil {
			c.tb.Errorf("embeddedtest: %v", err)
		}
	})
}

// awaitWhole waits until a node knows who has each slot.
func (n *clusterNode) awaitWhole(ctx context.Context, c *RedisCluster) {
	c.tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: n.address})
	defer client.Close()
	want := fmt.Sprintf("cluster_slots_ok:%d\r\n", clusterSlots)
	for {
		info, err := client.ClusterInfo(ctx).Result()
		c.check(err)
		if strings.Contains(info, "cluster_state:ok") && strings.Contains(info, want) {
			return
		}
		select {
		case <-ctx.Done():
			c.tb.Fatalf("embeddedtest: the cluster is never whole: %s", info)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Client opens a client; it is closed with the test.
func (c *RedisCluster) Client() *redis.ClusterClient {
	var addresses []string
	for _, n := range c.nodes {
		addresses = append(addresses, n.address)
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses})
	c.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Owner is the number of the node that has a key.
func (c *RedisCluster) Owner(key string) int {
	c.tb.Helper()
	client := redis.NewClient(&redis.Options{Addr: c.nodes[0].address})
	defer client.Close()
	slot, err := client.ClusterKeySlot(context.Background(), key).Result()
	c.check(err)
	for i := range c.nodes {
		if int(slot) < (i+1)*clusterSlots/clusterNodes {
			return i
		}
	}
	panic("a slot that there is not")
}

// Kill ends a node as a power cut would. What it had is gone; nobody takes its slots over.
func (c *RedisCluster) Kill(node int) { c.tb.Helper(); c.check(c.nodes[node].child.Kill()) }

func (c *RedisCluster) check(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatalf("embeddedtest: %v", err)
	}
}

// freePort is one on which nobody listens just now.
func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("embeddedtest: %v", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
