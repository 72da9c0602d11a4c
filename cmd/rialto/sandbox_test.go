package main

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// The sandbox learns where each node hears of charges, also one that it has forgotten or that came before it.
func TestNodesAreKnownToTheSandbox(t *testing.T) {
	m := newMarket(t)
	a, b := m.node(), m.node()
	eventually(t, "the sandbox has its tables", func() bool {
		return m.count(`select count(*) from information_schema.tables where table_schema = 'sandbox' and table_name = 'endpoint'`) == 1
	})
	for _, n := range []*running{a, b} {
		eventually(t, "the sandbox knows "+n.url, func() bool {
			return m.count(`select count(*) from sandbox.endpoint where url = $1`, n.url+"/hooks/payments/sandbox") == 1
		})
	}
}

func TestAddressForWebhooks(t *testing.T) {
	m := newMarket(t)
	for name, test := range map[string]struct {
		change func(*Config)
		want   string // PORT: the node's own
	}{
		"both on this machine": {func(c *Config) { c.PublicURL = "https://shop.example" }, "http://127.0.0.1:PORT/hooks/payments/sandbox"},
		"on every address": {func(c *Config) { c.PublicURL, c.Listen = "https://shop.example/", "0.0.0.0:0" },
			"http://127.0.0.1:PORT/hooks/payments/sandbox"},
		"a sandbox elsewhere": {func(c *Config) { c.PublicURL, c.SandboxURL = "https://shop.example/", "https://bank.example" },
			"https://shop.example/hooks/payments/sandbox"},
	} {
		cfg := m.config()
		test.change(&cfg)
		app, err := newApp(t.Context(), cfg, m.log.logger())
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(app.front.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := app.hookURL(), strings.Replace(test.want, "PORT", port, 1); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		app.release()
	}
}

// The page of the bank is reached through the node, by whoever has its address, and without what belongs to the shop.
func TestBankPageIsBehindTheNode(t *testing.T) {
	n := newMarket(t).node()
	vic := somebody(t, n.url, loopback)
	for path, status := range map[string]int{
		"/sandbox/challenge/" + strings.Repeat("A", 26): http.StatusNotFound,
		"/sandbox/challenge/x":                          http.StatusNotFound,
	} {
		answer, err := vic.http.Get(n.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if policy := answer.Header.Get("Content-Security-Policy"); answer.StatusCode != status || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: %d, policy %q", path, answer.StatusCode, policy)
		}
	}
	bare := n.market.node(func(c *Config) { c.SandboxURL = "" })
	if _, mounted := bare.routes()["GET /sandbox/challenge/{id}"]; mounted {
		t.Error("the bank's pages are there without a bank")
	}
}
