package peer

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/pion/sdp/v3"
)

// chromiumOffer is what Chromium 156 wrote to receive sound and picture.
//
//go:embed testdata/chromium.sdp
var chromiumOffer string

func TestChromiumOfferIsLean(t *testing.T) {
	o, err := parseOffer([]byte(chromiumOffer), receives)
	if err != nil {
		t.Fatal(err)
	}
	l, ok := o.lean()
	if !ok || len(l.Sections) != 2 {
		t.Fatalf("%v, %+v", ok, l)
	}
	var got []string
	for _, s := range l.Sections {
		for _, f := range s.Formats {
			got = append(got, f.Codec.String()+" "+number(f.Type)+"/"+number(f.Repair))
		}
	}
	if want := "opus 111/0 VP8 96/97 H264 108/109"; strings.Join(got, " ") != want {
		t.Errorf("%s", got)
	}
}

// BenchmarkOffer: what a join costs before the answer, on each way, and what reading and writing costs that library alone.
func BenchmarkOffer(b *testing.B) {
	raw := []byte(chromiumOffer)
	b.Run("lean", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o, err := parseOffer(raw, receives)
			if err != nil {
				b.Fatal(err)
			}
			if _, ok := o.lean(); !ok {
				b.Fatal("declined")
			}
		}
	})
	b.Run("trimmed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o, err := parseOffer(raw, receives)
			if err != nil {
				b.Fatal(err)
			}
			if o.marshal() == "" {
				b.Fatal("nothing written")
			}
		}
	})
	b.Run("pion", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var desc sdp.SessionDescription
			if err := desc.Unmarshal(raw); err != nil {
				b.Fatal(err)
			}
			if _, err := desc.Marshal(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
