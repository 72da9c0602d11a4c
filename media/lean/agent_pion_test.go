package lean

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
)

// responder serves one agent on a real socket.
type responder struct {
	conn  *net.UDPConn
	done  sync.WaitGroup
	mu    sync.Mutex
	agent *agent
	start time.Time
}

func newResponder(t *testing.T, remote Credentials) *responder {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &responder{conn: conn, agent: newAgent(remote), start: time.Now()}
	r.done.Go(r.serve)
	t.Cleanup(func() { _ = conn.Close(); r.done.Wait() })
	return r
}

func (r *responder) serve() {
	b := make([]byte, 1<<16)
	var m, reply stun.Message
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		own, ok := ufragOf(b[:n])
		r.mu.Lock()
		if ok && slices.Contains(r.agent.generations(), string(own)) && stun.Decode(b[:n], &m) == nil &&
			r.agent.request(&m, path{addr: from}, time.Since(r.start), &reply) {
			_, _ = r.conn.WriteToUDPAddrPort(reply.Raw, from)
		}
		r.mu.Unlock()
	}
}

func (r *responder) candidate() ice.Candidate {
	c, err := ice.NewCandidateHost(&ice.CandidateHostConfig{
		Network: "udp4", Address: "127.0.0.1", Port: r.conn.LocalAddr().(*net.UDPAddr).Port, Component: 1,
	})
	must(err)
	return c
}

func (r *responder) chosen() (path, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.agent.path()
}

// newPion returns Pion's agent with its candidates gathered, on loopback.
func newPion(t *testing.T, more ...ice.AgentOption) *ice.Agent {
	client, err := ice.NewAgentWithOptions(append(more,
		ice.WithIncludeLoopback(), ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled), ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	must(client.SetRemoteICELite(true))
	gather(client)
	return client
}

func gather(client *ice.Agent) {
	done := make(chan struct{})
	must(client.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			close(done)
		}
	}))
	must(client.GatherCandidates())
	<-done
}

func localCredentials(client *ice.Agent) Credentials {
	ufrag, pwd, err := client.GetLocalUserCredentials()
	must(err)
	return Credentials{UFrag: ufrag, Pwd: pwd}
}

// selected is the address that Pion uses, as the responder sees it.
func selected(t *testing.T, client *ice.Agent) netip.AddrPort {
	pair, err := client.GetSelectedCandidatePair()
	if err != nil || pair == nil {
		t.Fatalf("pion has selected nothing: %v", err)
	}
	return netip.AddrPortFrom(netip.MustParseAddr(pair.Local.Address()), uint16(pair.Local.Port()))
}

func TestPionConnectsAndRestarts(t *testing.T) {
	client := newPion(t)
	server := newResponder(t, localCredentials(client))
	chose := make(chan struct{}, 16)
	must(client.OnSelectedCandidatePairChange(func(_, _ ice.Candidate) { chose <- struct{}{} }))
	must(client.AddRemoteCandidate(server.candidate()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	own := server.agent.own()
	if _, err := client.Dial(ctx, own.UFrag, own.Pwd); err != nil {
		t.Fatal(err)
	}
	<-chose
	first, ok := server.chosen()
	if want := selected(t, client); !ok || first.addr != want {
		t.Fatalf("media goes to %v, pion is at %v", first, want)
	}

	must(client.Restart("", ""))
	gather(client)
	server.mu.Lock()
	own = server.agent.restart(localCredentials(client))
	server.mu.Unlock()
	if p, _ := server.chosen(); p != first {
		t.Errorf("media goes to %v in the middle of a restart", p)
	}
	must(client.SetRemoteCredentials(own.UFrag, own.Pwd))
	must(client.AddRemoteCandidate(server.candidate()))
	select {
	case <-chose:
	case <-ctx.Done():
		t.Fatal("pion does not come back after a restart")
	}
	if p, _ := server.chosen(); p.addr != selected(t, client) {
		t.Errorf("media goes to %v, pion is at %v", p, selected(t, client))
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if got := server.agent.generations(); !slices.Equal(got, []string{own.UFrag}) {
		t.Errorf("%v answer", got)
	}
}

func TestPionWithAWrongPasswordGetsNowhere(t *testing.T) {
	client := newPion(t, ice.WithDisconnectedTimeout(time.Second), ice.WithFailedTimeout(time.Second))
	server := newResponder(t, localCredentials(client))
	ufrag := server.agent.own().UFrag
	must(client.AddRemoteCandidate(server.candidate()))
	failed := make(chan struct{})
	must(client.OnConnectionStateChange(func(s ice.ConnectionState) {
		if s == ice.ConnectionStateFailed {
			close(failed)
		}
	}))
	if _, err := client.StartDial(ufrag, "not the password of anybody"); err != nil {
		t.Fatal(err)
	}
	<-failed
	server.mu.Lock()
	defer server.mu.Unlock()
	if known := server.agent.paths(); len(known) != 0 {
		t.Errorf("%v are verified", known)
	}
}
