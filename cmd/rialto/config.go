package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/mail"
)

// Config is everything a node is told from outside. Only readConfig reads the
// environment; deploy/env.example lists the same names (a test compares them).
type Config struct {
	DatabaseURL   string        `env:"DATABASE_URL"`
	RedisURL      string        `env:"REDIS_URL"`
	PublicURL     string        `env:"PUBLIC_URL"`
	MediaPublicIP []string      `env:"MEDIA_PUBLIC_IP"`
	MediaPort     int           `env:"MEDIA_PORT" envDefault:"8443"`
	Listen        string        `env:"LISTEN" envDefault:"127.0.0.1:8080"`
	AdminListen   string        `env:"ADMIN_LISTEN" envDefault:"127.0.0.1:8081"`
	TLSCert       string        `env:"TLS_CERT"`
	TLSKey        string        `env:"TLS_KEY"`
	Secret        string        `env:"RIALTO_SECRET"`
	Sandbox       bool          `env:"RIALTO_SANDBOX"`
	SandboxURL    string        `env:"SANDBOX_URL"`
	SandboxSecret string        `env:"SANDBOX_SECRET"`
	StripeSecret  string        `env:"STRIPE_SECRET_KEY"`
	StripeCardKey string        `env:"STRIPE_PUBLISHABLE_KEY"`
	StripeWebhook string        `env:"STRIPE_WEBHOOK_SECRET"`
	LogLevel      slog.Level    `env:"LOG_LEVEL" envDefault:"INFO"`
	ShopCountry   string        `env:"SHOP_COUNTRY" envDefault:"IT"`
	HoldTTL       time.Duration `env:"HOLD_TTL" envDefault:"5m"`
	TrustedProxy  bool          `env:"TRUSTED_PROXY"`
	SMTPURL       string        `env:"SMTP_URL"`
	MailFrom      string        `env:"MAIL_FROM"`

	// drain is over how long the viewers of a stopping node are sent away. One
	// node alone has nowhere to send them: `rialto dev` leaves it at 0.
	drain time.Duration
	// mailbox keeps mails in a table for everybody to read, when no server takes
	// them. Only `rialto dev` sets it.
	mailbox bool
	// crowd takes each socket for many people's. Only `rialto bench node` sets it.
	crowd bool
}

const (
	minSecretLength = 32 // characters; the key of every guest token and order link
	minHoldTTL      = 10 * time.Second
	maxHoldTTL      = time.Hour
)

// readConfig reads the environment. Its error lists every value that cannot be
// read, one line each.
func readConfig(environ []string) (Config, error) {
	cfg := Config{}
	err := env.ParseWithOptions(&cfg, env.Options{Environment: env.ToMap(environ)})
	if err == nil {
		return cfg, nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return cfg, err
	}
	lines := make([]error, 0, len(all.Errors))
	for _, e := range all.Errors {
		lines = append(lines, plainParseError(e))
	}
	return cfg, errors.Join(lines...)
}

func plainParseError(err error) error {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	if field, ok := reflect.TypeFor[Config]().FieldByName(parse.Name); ok {
		return fmt.Errorf("%s cannot be read: %w", field.Tag.Get("env"), parse.Err)
	}
	return err
}

// ValidateServe says, all at once and in plain words, what is missing or wrong
// for `rialto serve`.
func (c *Config) ValidateServe() error {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if c.DatabaseURL == "" {
		say("DATABASE_URL is missing: the Postgres to keep orders in, like postgres://rialto:secret@db:5432/rialto")
	}
	if c.RedisURL == "" {
		say("REDIS_URL is missing: the Redis that admits buyers, like redis://cache:6379/0")
	}
	if c.PublicURL == "" {
		say("PUBLIC_URL is missing: where people open this node, like https://shop.example")
	}
	if len(c.MediaPublicIP) == 0 {
		say("MEDIA_PUBLIC_IP is missing: the address viewers send video packets to, like 203.0.113.7")
	}
	if c.Secret == "" {
		say("RIALTO_SECRET is missing: at least %d random characters, the same on every node (openssl rand -hex 32 makes one)", minSecretLength)
	}
	if c.SandboxURL != "" && !c.Sandbox {
		say("SANDBOX_URL is set, and sandbox money is not money: unset it, or set RIALTO_SANDBOX=1 on a machine for trying out")
	}
	return errors.Join(append(wrong, c.validateValues()...)...)
}

func (c *Config) validateValues() []error {
	wrong := c.validateStripe()
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if c.PublicURL != "" {
		if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" {
			say("PUBLIC_URL %q is not an address of a site: scheme and host only, like https://shop.example", c.PublicURL)
		}
	}
	if c.Secret != "" && len(c.Secret) < minSecretLength {
		say("RIALTO_SECRET has %d characters; at least %d are needed", len(c.Secret), minSecretLength)
	}
	if (c.SMTPURL == "") != (c.MailFrom == "") {
		say("SMTP_URL and MAIL_FROM belong together: set both, or neither and no mail is sent")
	} else if c.SMTPURL != "" {
		if _, err := mail.NewSMTP(c.SMTPURL, c.MailFrom); err != nil {
			wrong = append(wrong, err)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		say("TLS_CERT and TLS_KEY belong together: set both, or neither when a proxy ends TLS")
	}
	for name, file := range map[string]string{"TLS_CERT": c.TLSCert, "TLS_KEY": c.TLSKey} {
		if file == "" {
			continue
		}
		if f, err := os.Open(file); err != nil {
			say("%s: %w", name, err)
		} else {
			f.Close()
		}
	}
	for name, addr := range map[string]string{"LISTEN": c.Listen, "ADMIN_LISTEN": c.AdminListen} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			say("%s %q is not host:port, like 127.0.0.1:8080", name, addr)
		}
	}
	for _, ip := range c.MediaPublicIP {
		if _, err := netip.ParseAddr(ip); err != nil {
			say("MEDIA_PUBLIC_IP %q is not an IP address", ip)
		}
	}
	if c.MediaPort < 0 || c.MediaPort > 65535 {
		say("MEDIA_PORT %d is not a port", c.MediaPort)
	}
	if !delivery.Known(c.ShopCountry) {
		say("SHOP_COUNTRY %q is not a country to send from: its two letters in ISO 3166, like IT or US", c.ShopCountry)
	}
	if c.HoldTTL < minHoldTTL || c.HoldTTL > maxHoldTTL {
		say("HOLD_TTL %s is outside %s to %s", c.HoldTTL, minHoldTTL, maxHoldTTL)
	}
	return wrong
}

// secure reports whether people reach this node over HTTPS.
func (c *Config) secure() bool { return strings.HasPrefix(c.PublicURL, "https://") }
