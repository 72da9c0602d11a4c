package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of BuyConfig, and what it is when nothing is said.
const (
	MaxBuyers     = 5_000
	DefaultBuyers = 100
	MaxThink      = time.Minute
	DefaultThink  = time.Second
	DefaultPay    = 60 // in a hundred of those who hold something
	MaxBuyRate    = 2_000

	// comesPerSecond is how many buyers begin to come in a second when nothing is said.
	comesPerSecond = 200
	// maxTimes bounds the times of taps that are kept.
	maxTimes = 1 << 20
	// maxCauses bounds the causes of failure that are told apart.
	maxCauses = 32
)

// BuyConfig of Buy.
type BuyConfig struct {
	URL  string // of the site: http://host
	Show string // its id
	// Variant is what they tap for; "" is what is pinned, or else the first thing that the show sells.
	Variant string
	Buyers  int           // at once: whoever has bought, or has had enough, makes room for somebody new
	Rate    int           // who begin to come in a second, at most; 0: comesPerSecond
	Think   time.Duration // between two things that a buyer does, on average
	Pay     int           // of a hundred that hold something, so many pay; the others walk away
	// Anywhere lets it be a server that is not on this machine.
	Anywhere bool
}

// Validate says everything that is wrong with the configuration.
func (c BuyConfig) Validate() error {
	errs := outside(bound{"buyers", c.Buyers, 1, MaxBuyers}, bound{"rate", c.Rate, 0, MaxBuyRate}, bound{"pay", c.Pay, 0, 100})
	if c.Think < 0 || c.Think > MaxThink {
		errs = append(errs, fmt.Errorf("--think is 0s to %s, not %s", MaxThink, c.Think))
	}
	if !isID("shw_", c.Show) {
		errs = append(errs, errors.New("--show is missing: the id of a show, such as shw_01…"))
	}
	if c.Variant != "" && !isID("var_", c.Variant) {
		errs = append(errs, errors.New("--variant is no id of one, such as var_01…"))
	}
	return errors.Join(append(errs, target(c.URL, "where the shop is, such as http://127.0.0.1:8080", c.Anywhere, "http", "https"))...)
}

// rush is a crowd of buyers.
type rush struct {
	// static
	config BuyConfig
	at     *url.URL
	goods  goods

	came atomic.Int64 // buyers, of which each has an address of its own on this machine

	mu    sync.Mutex // guards what follows
	stats buyStats
}

// goods is what they tap for, and whether anything may be paid.
type goods struct {
	variant string
	paid    bool // with play money
}

// Buy has buyers come to a show, tap, and pay or walk away, tells every second how that goes, and ends it after a time
// (0: when ctx ends): whoever waits for an answer then leaves. It returns an error when the show sells nothing, and when
// no tap was answered. It pays where money is play money, and nowhere else.
func Buy(ctx context.Context, c BuyConfig, lasts time.Duration, out io.Writer) error {
	if err := c.Validate(); err != nil {
		return err
	}
	at, err := url.Parse(c.URL)
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &rush{config: c, at: &url.URL{Scheme: at.Scheme, Host: at.Host}, stats: newBuyStats()}
	if r.goods, err = r.look(ctx); err != nil {
		return err
	}
	if !r.goods.paid && c.Pay > 0 {
		fmt.Fprintln(out, "money is no play money here: nobody pays, all walk away")
	}
	if lasts > 0 {
		stop := time.AfterFunc(lasts, cancel)
		defer stop.Stop()
	}
	began := time.Now()
	var crowd sync.WaitGroup
	crowd.Go(func() { r.enter(ctx, &crowd) })
	r.tell(ctx, out)
	crowd.Wait()
	s := r.now()
	s.summarize(out, time.Since(began))
	if s.answered() == 0 {
		return fmt.Errorf("none of %d taps was answered%s", s.Taps, mostFrequent(s.Failed))
	}
	return nil
}

// enter has the buyers come, evenly.
func (r *rush) enter(ctx context.Context, crowd *sync.WaitGroup) {
	rate := r.config.Rate
	if rate == 0 {
		rate = comesPerSecond
	}
	for range r.config.Buyers {
		if Rest(ctx, time.Second/time.Duration(rate)) != nil {
			return
		}
		crowd.Go(func() { r.place(ctx) })
	}
}

// place is where one buyer stands at a time, until ctx ends.
func (r *rush) place(ctx context.Context) {
	for ctx.Err() == nil {
		b := r.newBuyer()
		err := b.visit(ctx)
		b.leave()
		if err == nil || ctx.Err() != nil {
			continue
		}
		r.note(func(s *buyStats) { s.fail(Cause(err)) })
		if Rest(ctx, failedRest) != nil {
			return
		}
	}
}

// source is an address of this machine, since servers count by address.
func (r *rush) source() net.Addr {
	i := r.came.Add(1)
	ip := net.ParseIP(r.at.Hostname()).To4()
	if r.config.Anywhere || ip == nil || !ip.IsLoopback() {
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, 1, byte(i/250%250), byte(i%250+1))}
}

// look finds out what is sold, as the first page of a visit does.
func (r *rush) look(ctx context.Context) (goods, error) {
	b := r.newBuyer()
	defer b.leave()
	var me struct {
		Provider string
	}
	if err := b.get(ctx, "/me", &me); err != nil {
		return goods{}, fmt.Errorf("look at the shop: %w", err)
	}
	found := goods{variant: r.config.Variant, paid: me.Provider == playMoney}
	var shelf struct {
		Pinned   *string
		Products []struct {
			ID       string
			Variants []struct {
				ID   string
				Pool *string
			}
		}
	}
	if err := b.get(ctx, "/shows/"+r.config.Show+"/products", &shelf); err != nil {
		return goods{}, fmt.Errorf("look at what is sold: %w", err)
	}
	for _, p := range shelf.Products {
		pinned := shelf.Pinned != nil && *shelf.Pinned == p.ID
		for _, v := range p.Variants {
			if v.Pool == nil {
				continue
			}
			if v.ID == r.config.Variant {
				return found, nil
			}
			if r.config.Variant == "" && (found.variant == "" || pinned) {
				found.variant = v.ID
				break
			}
		}
	}
	if r.config.Variant != "" || found.variant == "" {
		return goods{}, errors.New("the show does not sell this")
	}
	return found, nil
}

// newBuyer is somebody new, whom nobody knows there.
func (r *rush) newBuyer() *buyer {
	dialer := &net.Dialer{Timeout: postTimeout, LocalAddr: r.source()}
	return &buyer{rush: r, http: &http.Client{
		Timeout: answerWithin, Transport: &http.Transport{DialContext: dialer.DialContext, MaxConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// isID is whether a text is the id of something: a word and 32 digits.
func isID(word, text string) bool {
	if len(text) != len(word)+idDigits || text[:len(word)] != word {
		return false
	}
	for _, c := range text[len(word):] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
