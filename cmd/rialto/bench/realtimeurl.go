package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load"
	"github.com/rialto-live/rialto/cmd/rialto/load/frames"
)

const maxHello = 64 << 10

// URLResult is what `rialto bench realtime --url … --json` prints: what a server's clients have seen.
type URLResult struct {
	URL         string         `json:"url"`
	Connections int            `json:"connections"` // asked for
	Open        int            `json:"open"`        // in the end
	Ended       int            `json:"ended"`       // by the server
	Failed      map[string]int `json:"failed"`      // never upgraded, by cause
	Closes      map[int]int    `json:"closes"`      // by code
	OpenedASec  float64        `json:"connects_per_second"`
	Seconds     float64        `json:"seconds"` // that they listened
	Messages    int64          `json:"messages"`
	MessagesSec float64        `json:"messages_per_second"`
	BytesSec    float64        `json:"bytes_per_second"`
	// Timed is how many messages carry a moment of this machine's clock, as those of this bench do.
	Timed    int64       `json:"timed"`
	Delivery Percentiles `json:"delivery_ms"`
}

// target is where --url points to.
func (o RealtimeOptions) target() (*url.URL, error) {
	at, err := url.Parse(o.URL)
	if err == nil {
		err = load.Near(at, o.Anywhere, "ws")
	}
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	return at, nil
}

// addressOf resolves a host, IPv4 first.
func addressOf(ctx context.Context, at *url.URL) (netip.AddrPort, error) {
	port := 80
	if text := at.Port(); text != "" {
		var err error
		if port, err = strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
			return netip.AddrPort{}, fmt.Errorf("port %q", text)
		}
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", at.Hostname())
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("resolve: %w", err)
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.Unmap().BitLen() - b.Unmap().BitLen() })
	return netip.AddrPortFrom(addrs[0].Unmap(), uint16(port)), nil
}

func (o RealtimeOptions) measureURL(ctx context.Context, out io.Writer) error {
	if err := roomFor(o.Conns); err != nil {
		return err
	}
	at, err := o.target()
	if err != nil {
		return err
	}
	addr, err := addressOf(ctx, at)
	if err != nil {
		return err
	}
	r := URLResult{URL: o.URL, Connections: o.Conns}
	var delivered []time.Duration
	measuring := false
	crowd, err := frames.New(frames.Config{Addr: addr, Host: at.Host, Path: at.RequestURI(), Hello: []byte(o.Hello),
		Take: func(_ int, text []byte, read time.Duration) {
			if !measuring {
				return
			}
			if e, _, _, ok := nextEvent(text, false); ok {
				r.Timed++
				if len(delivered) < maxDelivered {
					delivered = append(delivered, read-e.at)
				}
			}
		}})
	if err != nil {
		return err
	}
	defer crowd.Close()
	fmt.Fprintf(o.Progress, "%d connections to %s ...\n", o.Conns, addr)
	if err := crowd.Open(ctx, o.Conns); err != nil {
		return err
	}
	before, began := crowd.Stats(), time.Now()
	measuring = true
	until := began.Add(time.Duration(o.Seconds) * time.Second)
	if err := crowd.Read(ctx, func() bool { return !time.Now().Before(until) }); err != nil {
		return err
	}
	slices.Sort(delivered)
	r.Delivery = percentiles(delivered)
	r.add(before, crowd.Stats(), time.Since(began))
	if o.JSON {
		err = json.NewEncoder(out).Encode(r)
	} else {
		r.print(out)
	}
	if r.Open+r.Ended == 0 {
		err = errors.Join(err, fmt.Errorf("none of %d could connect", o.Conns))
	}
	return err
}

func (r *URLResult) add(before, after frames.Stats, lasts time.Duration) {
	r.Open, r.Ended, r.Failed, r.Closes = after.Open, after.Ended, after.Failed, after.Codes
	r.OpenedASec = round(ratio(float64(before.Open+before.Ended), before.Elapsed.Seconds()))
	r.Seconds, r.Messages = round(lasts.Seconds()), after.Frames-before.Frames
	r.MessagesSec = round(float64(r.Messages) / lasts.Seconds())
	r.BytesSec = round(float64(after.Bytes-before.Bytes) / lasts.Seconds())
}

// print writes the result for people.
func (r URLResult) print(out io.Writer) {
	fmt.Fprintf(out, "%s: %d of %d connections are open, %d were ended by the server\n\n", r.URL, r.Open, r.Connections, r.Ended)
	for _, why := range slices.Sorted(maps.Keys(r.Failed)) {
		fmt.Fprintf(out, "  failed          %d: %s\n", r.Failed[why], why)
	}
	for _, code := range slices.Sorted(maps.Keys(r.Closes)) {
		fmt.Fprintf(out, "  closed          %d with code %d\n", r.Closes[code], code)
	}
	fmt.Fprintf(out, "  connects        %.0f a second\n", r.OpenedASec)
	fmt.Fprintf(out, "  messages        %d in %.1f s, %.0f a second, %.1f KB a second\n", r.Messages, r.Seconds, r.MessagesSec, r.BytesSec/1024)
	if r.Timed > 0 {
		fmt.Fprintf(out, "  delivery        %.2f ms, p95 %.2f, p99 %.2f of %d that carry their time\n", r.Delivery.P50, r.Delivery.P95, r.Delivery.P99, r.Timed)
	}
}
