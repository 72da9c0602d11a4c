package delivery

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// home is a good address; change makes another one of it.
func home(change ...func(*Address)) Address {
	a := Address{Name: "Vic Rossi", Line1: "Via del Ponte 4", City: "Venezia", Postcode: "30124", Country: "IT"}
	for _, f := range change {
		f(&a)
	}
	return a
}

func TestAddressGetsOneSpelling(t *testing.T) {
	got, err := Address{
		Name: "  Vic   Rossi ", Line1: "Via del\u00a0Ponte 4", Line2: "  ", City: "Venezia\u200e", Region: "ve", Postcode: " i-30124 ", Country: "it",
	}.Check()
	if want := home(func(a *Address) { a.Region = "VE" }); err != nil || got != want {
		t.Fatalf("%#v %v, want %#v", got, err, want)
	}
	again, err := got.Check()
	if err != nil || again != got {
		t.Fatalf("checked twice: %#v %v", again, err)
	}
	if got, want := strings.Join(got.Lines(), "|"), "Vic Rossi|Via del Ponte 4|30124 Venezia VE|IT"; got != want {
		t.Errorf("its lines are %q, want %q", got, want)
	}
}

func TestAddressSaysWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Address)
		fields string
	}{
		"nothing at all":        {func(a *Address) { *a = Address{} }, "city country line1 name"},
		"no name":               {func(a *Address) { a.Name = " \u200e " }, "name"},
		"no street, no city":    {func(a *Address) { a.Line1, a.City = "", "\t" }, "city line1"},
		"a name of two lines":   {func(a *Address) { a.Name = "Vic\nRossi" }, "name"},
		"a carriage return":     {func(a *Address) { a.Line2 = "a\rb" }, "line2"},
		"a zero byte":           {func(a *Address) { a.City = "Ven\x00ezia" }, "city"},
		"a line separator":      {func(a *Address) { a.Line1 = "Via\u2028 4" }, "line1"},
		"a private character":   {func(a *Address) { a.Line1 = "Via \ue000 4" }, "line1"},
		"no UTF-8":              {func(a *Address) { a.Line1 = "Via \xff" }, "line1"},
		"a picture alone":       {func(a *Address) { a.Name = "🎁🎁" }, "name"},
		"signs alone":           {func(a *Address) { a.Line1 = "---" }, "line1"},
		"name one too long":     {func(a *Address) { a.Name = strings.Repeat("ä", MaxName+1) }, "name"},
		"lines one too long":    {func(a *Address) { a.Line1, a.Line2 = strings.Repeat("ä", MaxLine+1), strings.Repeat("ä", MaxLine+1) }, "line1 line2"},
		"city one too long":     {func(a *Address) { a.City = strings.Repeat("ä", MaxCity+1) }, "city"},
		"region one too long":   {func(a *Address) { a.Region = "VENE" }, "region"},
		"a region of signs":     {func(a *Address) { a.Region = "V-E" }, "region"},
		"postcode too long":     {func(a *Address) { a.Country, a.Postcode = "FO", strings.Repeat("1", MaxPostcode+1) }, "postcode"},
		"no postcode":           {func(a *Address) { a.Postcode = "" }, "postcode"},
		"a digit too few":       {func(a *Address) { a.Postcode = "3012" }, "postcode"},
		"a letter in it":        {func(a *Address) { a.Postcode = "3012O" }, "postcode"},
		"strange letters":       {func(a *Address) { a.Country, a.Postcode = "FO", "٣٤٥" }, "postcode"},
		"an unknown country":    {func(a *Address) { a.Country = "XX" }, "country"},
		"a country's name":      {func(a *Address) { a.Country = "Italy" }, "country"},
		"no state":              {func(a *Address) { a.Country, a.Postcode = "US", "90210" }, "region"},
		"a state of elsewhere":  {func(a *Address) { a.Country, a.Postcode, a.Region = "US", "90210", "BC" }, "region"},
		"no state, no postcode": {func(a *Address) { a.Country, a.Postcode = "US", "" }, "postcode region"},
	} {
		got, err := home(tc.change).Check()
		var wrong FieldErrors
		if !errors.As(err, &wrong) || !errors.Is(err, ErrAddress) || got != (Address{}) {
			t.Errorf("%s: %#v %v", name, got, err)
			continue
		}
		var fields []string
		for _, field := range strings.Fields("city country line1 line2 name postcode region") {
			if why, ok := wrong[field]; ok {
				fields = append(fields, field)
				if !strings.HasSuffix(why, ".") || len(why) < 10 {
					t.Errorf("%s: %s is told %q", name, field, why)
				}
			}
		}
		if strings.Join(fields, " ") != tc.fields || len(fields) != len(wrong) {
			t.Errorf("%s: %v, want %s", name, wrong, tc.fields)
		}
		if onlyRegion := tc.fields == "region" && strings.Contains(name, "state"); errors.Is(err, ErrRegion) != onlyRegion {
			t.Errorf("%s: the region alone is missing: %v", name, !onlyRegion)
		}
	}
}

func TestAddressAtItsLimits(t *testing.T) {
	for name, a := range map[string]Address{
		"full": {
			Name: strings.Repeat("名", MaxName), Line1: strings.Repeat("ä", MaxLine), Line2: strings.Repeat("ß", MaxLine), City: strings.Repeat("é", MaxCity),
			Region: "ABC", Postcode: strings.Repeat("1", MaxPostcode), Country: "FO",
		},
		"with a picture": home(func(a *Address) { a.Name = "Vic 🎁" }),
		"a degree sign":  home(func(a *Address) { a.Line2 = "interno n° 5" }),
		"no postcodes":   {Name: "Vic", Line1: "1 Nathan Road", City: "Hong Kong", Country: "HK"},
		"persian":        home(func(a *Address) { a.Name = "می\u200cخواهم" }),
		"a state":        home(func(a *Address) { a.Country, a.Region, a.Postcode = "us", "ca", "90210-1234" }),
	} {
		if got, err := a.Check(); err != nil || got == (Address{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPostcodesAreWrittenAsTheyAreThere(t *testing.T) {
	for typed, want := range map[string]string{
		"CA k1a0b1": "K1A 0B1", "GB sw1a1aa": "SW1A 1AA", "GB M1 1AE": "M1 1AE", "GB g11aa": "G1 1AA", "NL 1012ab": "1012 AB", "PL 00001": "00-001", "PT 1000001": "1000-001",
		"SE 11122": "111 22", "SE S-111 22": "111 22", "DE D-10115": "10115", "DE 10115": "10115", "FI FI-00100": "00100", "JP 1000001": "100-0001", "LV 1010": "LV-1010",
		"LV lv1010": "LV-1010", "LT LT-01100": "LT-01100", "US 902101234": "90210-1234", "US 90210": "90210", "IE d02x285": "D02 X285", "BR 01310100": "01310-100",
		"AR c1002aad": "C1002AAD", "AE ": "",
	} {
		if got, wrong := postcode(typed[:2], typed[3:]); got != want || wrong != "" {
			t.Errorf("%s: %q %s, want %q", typed, got, wrong, want)
		}
	}
	for typed, example := range map[string]string{"IT 3012": "12345", "GB 12345": "A1 2BC", "LV 10101": "LV-1234", "IE 1234567": "A1B CDEF", "US 9021": "12345", "DE DE": "12345"} {
		if _, wrong := postcode(typed[:2], typed[3:]); !strings.Contains(wrong, " "+example+".") {
			t.Errorf("%s: %q, want an example %s", typed, wrong, example)
		}
	}
	// The example that people are told is taken, in every country that has one.
	for country, forms := range postcodeForms {
		if !Known(country) {
			t.Errorf("postcodes of %s", country)
		}
		for _, form := range forms {
			if got, wrong := postcode(country, example(form)); got != example(form) || wrong != "" {
				t.Errorf("%s %s becomes %q, %s", country, example(form), got, wrong)
			}
		}
	}
}

// Whatever is typed, what Check lets through is what the tables take, and checking it again changes nothing.
func TestCheckedAddressesAreClean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		country := rapid.SampledFrom([]string{"IT", "US", "GB", "HK", "FO", "xx"}).Draw(t, "country")
		a := Address{
			Name: rapid.String().Draw(t, "name"), Line1: rapid.String().Draw(t, "line1"), Line2: rapid.String().Draw(t, "line2"),
			City: rapid.String().Draw(t, "city"), Region: rapid.StringN(0, 4, -1).Draw(t, "region"),
			Postcode: rapid.OneOf(rapid.StringN(0, 17, -1), rapid.Just("30124")).Draw(t, "postcode"), Country: country,
		}
		got, err := a.Check()
		if err != nil {
			if !errors.Is(err, ErrAddress) || got != (Address{}) {
				t.Fatalf("%#v %v", got, err)
			}
			return
		}
		if strings.ContainsFunc(strings.Join(got.Lines(), ""), unwritable) {
			t.Fatalf("%q", got.Lines())
		}
		if again, err := got.Check(); err != nil || again != got {
			t.Fatalf("%#v becomes %#v, %v", got, again, err)
		}
	})
}

func TestAddressIsNotLogged(t *testing.T) {
	var out bytes.Buffer
	a := home()
	slog.New(slog.NewTextHandler(&out, nil)).Info("quoted", "to", a)
	fmt.Fprintf(&out, "%v %s", a, a)
	if strings.Contains(out.String(), "Ponte") || !strings.Contains(out.String(), "IT") {
		t.Errorf("the log has %s", out.String())
	}
}
