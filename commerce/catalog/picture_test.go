package catalog_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/catalog"
)

func TestDrawings(t *testing.T) {
	for title, want := range map[string]string{"Copper Pan, 28 cm": "pan", "Two mugs": "mug", "Linen apron": "shirt", "Gift": "box", "": "box", "Pancake mix": "box"} {
		path := catalog.PicturePath(title)
		if path != catalog.PictureBase+want+".svg" {
			t.Errorf("%q: %s, want %s", title, path, want)
		}
		if svg, ok := catalog.Drawing(strings.TrimPrefix(path, catalog.PictureBase)); !ok || !strings.Contains(string(svg), "aria-label") {
			t.Errorf("%s is not drawn", path)
		}
	}
	for _, name := range []string{"", "nothing.svg", "../picture.go", "pictures/pan.svg", "./pan.svg"} {
		if _, ok := catalog.Drawing(name); ok {
			t.Errorf("%q is a picture", name)
		}
	}
}

// drawn is a picture of a size, in a form.
func drawn(t *testing.T, width, height int, form string) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	m := image.NewGray(image.Rect(0, 0, width, height))
	switch form {
	case "png":
		err = png.Encode(&b, m)
	case "jpeg":
		err = jpeg.Encode(&b, m, nil)
	case "gif":
		err = gif.Encode(&b, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// webpPixel is one pixel, lossless.
const webpPixel = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="

func TestNewPicture(t *testing.T) {
	webp, err := base64.StdEncoding.DecodeString(webpPixel)
	if err != nil {
		t.Fatal(err)
	}
	small := drawn(t, 2, 3, "png")
	padded := append(bytes.Clone(small), make([]byte, catalog.MaxPicture-len(small))...)
	for name, c := range map[string]struct {
		raw  []byte
		want string // "" is refused
	}{
		"PNG":                       {small, "image/png"},
		"JPEG":                      {drawn(t, 2, 3, "jpeg"), "image/jpeg"},
		"WebP":                      {webp, "image/webp"},
		"as wide as may be":         {drawn(t, catalog.MaxSide, 1, "png"), "image/png"},
		"wider":                     {drawn(t, catalog.MaxSide+1, 1, "png"), ""},
		"as high as may be":         {drawn(t, 1, catalog.MaxSide, "jpeg"), "image/jpeg"},
		"higher":                    {drawn(t, 1, catalog.MaxSide+1, "jpeg"), ""},
		"as many bytes as may be":   {padded, "image/png"},
		"one more":                  {append(padded, 0), ""},
		"GIF":                       {drawn(t, 2, 3, "gif"), ""},
		"SVG":                       {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), ""},
		"HTML":                      {[]byte("<!doctype html><script>alert(1)</script>"), ""},
		"HTML that begins like one": {[]byte("\x89PNG\r\n\x1a\n<script>alert(1)</script>"), ""},
		"the first half of a head":  {small[:20], ""},
		"RIFF of something else":    {[]byte("RIFF\x00\x00\x00\x00WAVEfmt "), ""},
		"WebP without a picture":    {[]byte("RIFF\x04\x00\x00\x00WEBP"), ""},
		"nothing":                   {nil, ""},
	} {
		p, err := catalog.NewPicture(c.raw)
		if (c.want == "") != errors.Is(err, catalog.ErrPicture) || (c.want == "") != (err != nil) || p.Type != c.want {
			t.Errorf("%s: %s, %v; want %q", name, p.Type, err, c.want)
		}
	}
	a, errA := catalog.NewPicture(small)
	b, errB := catalog.NewPicture(padded)
	if errA != nil || errB != nil || a.Name == b.Name || !strings.HasSuffix(a.Path(), ".png") {
		t.Errorf("%s and %s: %v %v", a.Path(), b.Path(), errA, errB)
	}
}

// FuzzNewPicture: the bytes come from anybody.
func FuzzNewPicture(f *testing.F) {
	webp, _ := base64.StdEncoding.DecodeString(webpPixel)
	for _, seed := range [][]byte{webp, []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00"), []byte("\xff\xd8\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := catalog.NewPicture(raw)
		if err != nil && !errors.Is(err, catalog.ErrPicture) || err == nil && (p.Type == "" || len(p.Name) < 64) {
			t.Fatalf("%+v, %v", p, err)
		}
	})
}

func TestAddPicture(t *testing.T) {
	s := newShelf(t)
	p, err := catalog.NewPicture(drawn(t, 2, 3, "png"))
	if err != nil {
		t.Fatal(err)
	}
	add := func(p catalog.Picture) error {
		return s.in(func(ctx context.Context, tx pgx.Tx) error { return catalog.AddPicture(ctx, tx, s.owner, p) })
	}
	for range 2 {
		if err := add(p); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := catalog.ReadPicture(t.Context(), s.pool, p.Name); err != nil || got.Type != "image/png" || !bytes.Equal(got.Bytes, p.Bytes) {
		t.Errorf("%s %d bytes, %v", got.Type, len(got.Bytes), err)
	}
	for _, name := range []string{"", strings.Repeat("0", 64) + ".png", p.Name + "x", "\xff", "\x00"} {
		if _, err := catalog.ReadPicture(t.Context(), s.pool, name); !errors.Is(err, catalog.ErrUnknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
	_, err = s.pool.Exec(t.Context(), `insert into picture (name, type, bytes, owner)
		select lpad(n::text, 64, '0') || '.png', 'image/png', 'x', $1 from generate_series(1, $2::int) n`, s.owner, catalog.MaxPictures-2)
	if err != nil {
		t.Fatal(err)
	}
	last, err := catalog.NewPicture(drawn(t, 5, 5, "png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := add(last); err != nil {
		t.Fatalf("the last that may be: %v", err)
	}
	more, err := catalog.NewPicture(drawn(t, 6, 6, "png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := add(more); !errors.Is(err, catalog.ErrTooManyPictures) {
		t.Errorf("one too many: %v", err)
	}
	if err := add(p); err != nil {
		t.Errorf("one that is there, at the limit: %v", err)
	}
}
