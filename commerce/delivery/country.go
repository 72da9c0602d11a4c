package delivery

import (
	"slices"
	"strings"
)

// DefaultHome is the shop's country when nobody has said which.
const DefaultHome = "IT"

// Country is a place that goods can be sent to. Its name is the reader's language's business.
type Country struct {
	Code    string   // ISO 3166-1 alpha-2
	Regions []Region // only where taxes differ by region, so that it must be known
}

// Region is a state or a province.
type Region struct {
	Code string // ISO 3166-2 without the country
	Name string
}

// countryCodes are those of ISO 3166-1 where people live and parcels go.
var countryCodes = strings.Fields(`
	AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA CC CD CF CG
	CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH
	GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY
	KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG
	NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM
	SN SO SR SS ST SV SX SY SZ TC TD TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS YE YT
	ZA ZM ZW`)

// union is where goods go without customs once they are in: the members of the EU, and Monaco, which belongs to
// France's customs and VAT area.
var union = strings.Fields(`AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MC MT NL PL PT RO SE SI SK`)

// regions lists states and provinces where the tax depends on them.
var regions = map[string][]Region{
	"US": regionsOf(`AL Alabama|AK Alaska|AZ Arizona|AR Arkansas|CA California|CO Colorado|CT Connecticut|DE Delaware|
		DC District of Columbia|FL Florida|GA Georgia|HI Hawaii|ID Idaho|IL Illinois|IN Indiana|IA Iowa|KS Kansas|KY Kentucky|
		LA Louisiana|ME Maine|MD Maryland|MA Massachusetts|MI Michigan|MN Minnesota|MS Mississippi|MO Missouri|MT Montana|
		NE Nebraska|NV Nevada|NH New Hampshire|NJ New Jersey|NM New Mexico|NY New York|NC North Carolina|ND North Dakota|
		OH Ohio|OK Oklahoma|OR Oregon|PA Pennsylvania|RI Rhode Island|SC South Carolina|SD South Dakota|TN Tennessee|
		TX Texas|UT Utah|VT Vermont|VA Virginia|WA Washington|WV West Virginia|WI Wisconsin|WY Wyoming|
		AA Armed Forces Americas|AE Armed Forces Europe|AP Armed Forces Pacific`),
	"CA": regionsOf(`AB Alberta|BC British Columbia|MB Manitoba|NB New Brunswick|NL Newfoundland and Labrador|
		NT Northwest Territories|NS Nova Scotia|NU Nunavut|ON Ontario|PE Prince Edward Island|QC Quebec|SK Saskatchewan|YT Yukon`),
}

func regionsOf(list string) []Region {
	var all []Region
	for part := range strings.SplitSeq(list, "|") {
		code, name, _ := strings.Cut(strings.TrimSpace(part), " ")
		all = append(all, Region{Code: code, Name: name})
	}
	return all
}

// Countries lists where goods can be sent, by code.
func Countries() []Country {
	all := make([]Country, 0, len(countryCodes))
	for _, code := range countryCodes {
		all = append(all, Country{Code: code, Regions: slices.Clone(regions[code])})
	}
	return all
}

// Known says whether code, in upper case, is one of Countries.
func Known(code string) bool {
	_, found := slices.BinarySearch(countryCodes, code)
	return found
}

// knownRegion says whether a country that has Regions has this one.
func knownRegion(country, region string) bool {
	return slices.ContainsFunc(regions[country], func(r Region) bool { return r.Code == region })
}

// Zone says how far it is.
type Zone string

// The zones.
const (
	Domestic Zone = "domestic" // within the shop's country
	Union    Zone = "union"    // both within the customs and VAT area of the EU
	World    Zone = "world"    // everywhere else
)

// Zones lists all of them, the nearest first.
func Zones() []Zone { return []Zone{Domestic, Union, World} }

// ZoneTo is the zone of a country as seen from home.
func ZoneTo(home, country string) Zone {
	switch {
	case home == country:
		return Domestic
	case slices.Contains(union, home) && slices.Contains(union, country):
		return Union
	}
	return World
}
