package delivery

import (
	"slices"
	"strings"
)

// noPostcodes are countries where nobody has one, or where parcels arrive without: it may be left out there.
var noPostcodes = strings.Fields(`
	AE AG AO AW BB BF BH BI BJ BM BO BQ BS BT BW BZ CD CF CG CI CK CM CO CV CW DJ DM EG ER FJ FM GA GD GH GI GM GN GQ GW GY HK
	HN HT IR JM JO KE KH KI KM KN KP KW KY LA LB LC LR LS LY MH ML MO MR MS MU MW MZ NA NG NI NR NU OM PA PE PN PS PW PY QA RW
	SA SB SC SD SL SN SO SR SS ST SV SX SY SZ TC TD TG TK TL TO TT TV TZ UG VC VE VG VU WS YE ZM ZW`)

// postcodeForms is how postcodes look where we know it well enough to tell a slip of the finger: # is a digit, @ a
// letter, * either, everything else itself. Elsewhere any letters, digits, spaces and hyphens will do.
var postcodeForms = map[string][]string{
	"AT": {"####"}, "AU": {"####"}, "BE": {"####"}, "BG": {"####"}, "BR": {"#####-###"}, "CA": {"@#@ #@#"}, "CH": {"####"},
	"CN": {"######"}, "CY": {"####"}, "CZ": {"### ##"}, "DE": {"#####"}, "DK": {"####"}, "EE": {"#####"}, "ES": {"#####"},
	"FI": {"#####"}, "FR": {"#####"}, "GB": {"@# #@@", "@## #@@", "@@# #@@", "@@## #@@", "@#@ #@@", "@@#@ #@@"}, "GR": {"### ##"},
	"HR": {"#####"}, "HU": {"####"}, "IE": {"@#* ****"}, "IN": {"######"}, "IS": {"###"}, "IT": {"#####"}, "JP": {"###-####"},
	"KR": {"#####"}, "LI": {"####"}, "LT": {"LT-#####"}, "LU": {"####"}, "LV": {"LV-####"}, "MC": {"#####"}, "MT": {"@@@ ####"},
	"MX": {"#####"}, "NL": {"#### @@"}, "NO": {"####"}, "NZ": {"####"}, "PL": {"##-###"}, "PT": {"####-###"}, "RO": {"######"},
	"SE": {"### ##"}, "SG": {"######"}, "SI": {"####"}, "SK": {"### ##"}, "SM": {"#####"}, "TR": {"#####"}, "UA": {"#####"},
	"US": {"#####", "#####-####"},
}

// postcode gives what a person typed its one spelling: "k1a0b1" is "K1A 0B1", "D-10115" is "10115". What is wrong is
// said in words for them; "" when nothing is.
func postcode(country, typed string) (code, wrong string) {
	code = strings.ToUpper(typed)
	if code == "" {
		if slices.Contains(noPostcodes, country) {
			return "", ""
		}
		return "", "Write the postcode."
	}
	if strings.ContainsFunc(code, func(r rune) bool { return !alphanumeric(r) && r != ' ' && r != '-' }) || !strings.ContainsFunc(code, alphanumeric) {
		return code, "A postcode has letters, digits, spaces and hyphens only."
	}
	forms := postcodeForms[country]
	if len(forms) == 0 {
		return code, ""
	}
	bare := strings.NewReplacer(" ", "", "-", "").Replace(code)
	for _, form := range forms {
		for _, candidate := range []string{bare, strings.TrimPrefix(bare, country), strings.TrimPrefix(bare, country[:1])} {
			if written, ok := fit(form, candidate); ok {
				return written, ""
			}
		}
	}
	return code, "A postcode there looks like " + example(forms[0]) + "."
}

func alphanumeric(r rune) bool { return '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' }

// fit writes bare, which has letters and digits alone, in a form. The letters that a form begins with may be missing.
func fit(form, bare string) (string, bool) {
	var out strings.Builder
	for i := range len(form) {
		c := form[i]
		switch c {
		case '#', '@', '*':
			if bare == "" || !fits(c, bare[0]) {
				return "", false
			}
			out.WriteByte(bare[0])
			bare = bare[1:]
		case ' ', '-':
			out.WriteByte(c)
		default:
			bare = strings.TrimPrefix(bare, string(c))
			out.WriteByte(c)
		}
	}
	return out.String(), bare == ""
}

func fits(form, c byte) bool {
	digit := '0' <= c && c <= '9'
	return form == '*' || digit == (form == '#')
}

// example is a postcode of a form: digits 1, 2, 3 …, letters A, B, C ….
func example(form string) string {
	var out strings.Builder
	digit, letter := byte('1'), byte('A')
	for i := range len(form) {
		switch c := form[i]; c {
		case '#':
			out.WriteByte(digit)
			digit++
		case '@', '*':
			out.WriteByte(letter)
			letter++
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}
