package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEnvExampleListsEverySetting keeps deploy/env.example equal to Config.
func TestEnvExampleListsEverySetting(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "env.example"))
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^#? ?([A-Z][A-Z0-9_]+)=`).FindAllStringSubmatch(string(text), -1) {
		listed = append(listed, m[1])
	}
	var known []string
	for f := range reflect.TypeFor[Config]().Fields() {
		if name := f.Tag.Get("env"); name != "" {
			known = append(known, name)
		}
	}
	slices.Sort(listed)
	slices.Sort(known)
	if !slices.Equal(slices.Compact(listed), known) {
		t.Errorf("deploy/env.example lists\n%v\nthe program reads\n%v", listed, known)
	}
}

func TestServeListsAllThatIsWrongAtOnce(t *testing.T) {
	var out, errs strings.Builder
	code := run(t.Context(), []string{"serve"}, terminal{strings.NewReader(""), &out, &errs, []string{
		"PUBLIC_URL=shop.example", "MEDIA_PORT=many", "TLS_CERT=/nowhere.pem", "SANDBOX_URL=http://127.0.0.1:1", "SHOP_COUNTRY=Italy",
	}})
	if code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	for _, want := range []string{"DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "MEDIA_PUBLIC_IP", "MEDIA_PORT", "RIALTO_SECRET", "TLS_CERT", "RIALTO_SANDBOX=1", "SHOP_COUNTRY"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("nothing is said about %s in\n%s", want, errs.String())
		}
	}
}

func TestGoodSettingsAreTaken(t *testing.T) {
	cfg, err := readConfig([]string{
		"DATABASE_URL=postgres:///x", "REDIS_URL=redis://r", "PUBLIC_URL=https://shop.example", "MEDIA_PUBLIC_IP=203.0.113.7,2001:db8::7",
		"RIALTO_SECRET=" + strings.Repeat("s", minSecretLength), "LOG_LEVEL=DEBUG",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.ValidateServe(); err != nil {
		t.Fatal(err)
	}
	if !cfg.secure() || len(cfg.MediaPublicIP) != 2 || cfg.MediaPort != 8443 {
		t.Errorf("read %+v", cfg)
	}
}

func TestUnknownCommandsAndFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{}, {"sell"}, {"version", "now"}, {"verify", "--fast"}, {"admin"}, {"admin", "drop-everything"}} {
		var out, errs strings.Builder
		if code := run(t.Context(), args, terminal{strings.NewReader(""), &out, &errs, nil}); code != exitUsage {
			t.Errorf("rialto %v: exit code %d, want %d", args, code, exitUsage)
		}
		if errs.Len() == 0 {
			t.Errorf("rialto %v says nothing", args)
		}
	}
}
