package delivery

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits, in characters.
const (
	MaxName     = 120
	MaxLine     = 120
	MaxCity     = 80
	MaxRegion   = 3
	MaxPostcode = 16
)

var (
	// ErrAddress: something in an address cannot be right. The error is a FieldErrors.
	ErrAddress = errors.New("the address is not complete")
	// ErrRegion: the tax there depends on the state or province.
	ErrRegion = errors.New("choose the state or province: the tax depends on it")
)

// Address is where a parcel goes. Check makes one that can be kept; the zero Address is none.
type Address struct {
	Name     string // who receives it
	Line1    string // street and number
	Line2    string
	City     string
	Region   string // subdivision code without the country ("CA" for California); may be "" where no tax depends on it
	Postcode string // "" in countries that have none
	Country  string // ISO 3166-1 alpha-2
}

// FieldErrors says of each member of an address, by its name in JSON, what is wrong with it, in words for the person
// who typed it. It is ErrAddress, and ErrRegion when nothing but a needed region is missing.
type FieldErrors map[string]string

func (e FieldErrors) Error() string {
	var all []string
	for _, field := range slices.Sorted(maps.Keys(e)) {
		all = append(all, field+": "+e[field])
	}
	return ErrAddress.Error() + ": " + strings.Join(all, " ")
}

// Is lets errors.Is see the kind.
func (e FieldErrors) Is(target error) bool {
	return target == ErrAddress || target == ErrRegion && len(e) == 1 && e["region"] == chooseRegion
}

const chooseRegion = "Choose the state or province."

// Check gives an address its one spelling: trimmed, codes in upper case, the postcode as it is written there. An
// address that cannot be right is refused with FieldErrors.
func (a Address) Check() (Address, error) {
	wrong := FieldErrors{}
	text := func(field string, value *string, limit int, missing string) {
		var why string
		if *value, why = oneLine(*value, limit, missing); why != "" {
			wrong[field] = why
		}
	}
	text("name", &a.Name, MaxName, "Write who receives it.")
	text("line1", &a.Line1, MaxLine, "Write street and number.")
	text("line2", &a.Line2, MaxLine, "")
	text("city", &a.City, MaxCity, "Write the city.")
	text("region", &a.Region, MaxRegion, "")
	text("postcode", &a.Postcode, MaxPostcode, "")
	a.Country = strings.ToUpper(strings.TrimSpace(a.Country))
	if !Known(a.Country) {
		wrong["country"] = "Choose a country."
		a.Country = ""
	}
	if wrong["region"] == "" {
		a.Region = strings.ToUpper(a.Region)
		if why := regionWrong(a.Country, a.Region); why != "" {
			wrong["region"] = why
		}
	}
	if wrong["postcode"] == "" && a.Country != "" {
		var why string
		if a.Postcode, why = postcode(a.Country, a.Postcode); why != "" {
			wrong["postcode"] = why
		}
	}
	if len(wrong) > 0 {
		return Address{}, wrong
	}
	return a, nil
}

// oneLine trims a text and judges it. missing is what is said of an empty one; "" when it may be empty.
func oneLine(s string, limit int, missing string) (line, wrong string) {
	if !utf8.ValidString(s) || strings.ContainsFunc(strings.TrimSpace(s), unwritable) {
		return s, "Use one line of letters, without control characters."
	}
	s = strings.Map(visible, s)
	s = strings.Join(strings.Fields(s), " ")
	switch {
	case utf8.RuneCountInString(s) > limit:
		return s, fmt.Sprintf("Use at most %d characters.", limit)
	case s == "":
		return s, missing
	case !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }):
		return s, "Write it in letters." // a label of signs and pictures alone reaches nobody
	}
	return s, ""
}

// unwritable are characters that no label shows.
func unwritable(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Co, unicode.Zl, unicode.Zp) || r == utf8.RuneError
}

// visible drops the marks of direction and format that come along when people copy from other pages, and that could
// reorder a label. Joiners stay: in some scripts they are letters' own business.
func visible(r rune) rune {
	const joiner, nonJoiner = '\u200d', '\u200c'
	if unicode.Is(unicode.Cf, r) && r != joiner && r != nonJoiner {
		return -1
	}
	return r
}

func regionWrong(country, region string) string {
	switch {
	case len(regions[country]) > 0:
		if !knownRegion(country, region) {
			return chooseRegion
		}
	case strings.ContainsFunc(region, func(r rune) bool { return !alphanumeric(r) }):
		return fmt.Sprintf("Use a code of at most %d letters and digits, or leave it empty.", MaxRegion)
	}
	return ""
}

// Lines is the address as it stands on a label, without empty lines.
func (a Address) Lines() []string {
	all := []string{a.Name, a.Line1, a.Line2, strings.TrimSpace(a.Postcode + " " + strings.TrimSpace(a.City+" "+a.Region)), a.Country}
	return slices.DeleteFunc(all, func(line string) bool { return line == "" })
}

// LogValue keeps people's addresses out of logs.
func (a Address) LogValue() slog.Value { return slog.StringValue(a.String()) }

// String is for logs too: the country alone. Lines is for people.
func (a Address) String() string { return "an address in " + a.Country }
