package catalog

import (
	"embed"
	"io/fs"
	"strings"
	"unicode"
)

// Pictures of ours for products that came without one.
//
//go:embed pictures/*.svg
var pictures embed.FS

// PictureBase is where the API serves them.
const PictureBase = "/api/v1/pictures/"

// kinds maps words of a title to a drawing; the first word that is known decides.
var kinds = map[string]string{
	"pan": "pan", "skillet": "pan", "pot": "pan", "wok": "pan", "saucepan": "pan", "kettle": "pan",
	"bowl": "bowl", "plate": "bowl", "dish": "bowl", "vase": "bowl",
	"mug": "mug", "cup": "mug", "glass": "mug", "tumbler": "mug",
	"shirt": "shirt", "apron": "shirt", "dress": "shirt", "jacket": "shirt", "sweater": "shirt", "hoodie": "shirt", "scarf": "shirt", "coat": "shirt",
	"jar": "jar", "honey": "jar", "cream": "jar", "candle": "jar", "oil": "jar", "jam": "jar", "serum": "jar", "spice": "jar",
	"bag": "bag", "tote": "bag", "backpack": "bag", "purse": "bag", "pouch": "bag",
	"book": "book", "cookbook": "book", "notebook": "book", "print": "book", "card": "book",
}

// PicturePath chooses the drawing for a title; a parcel when nothing fits.
func PicturePath(title string) string {
	kind := "box"
	for word := range strings.FieldsFuncSeq(strings.ToLower(title), func(r rune) bool { return !unicode.IsLetter(r) }) {
		known, ok := kinds[word]
		if !ok {
			known, ok = kinds[strings.TrimSuffix(word, "s")]
		}
		if ok {
			kind = known
			break
		}
	}
	return PictureBase + kind + ".svg"
}

// Drawing is the SVG of one drawing ("pan.svg").
func Drawing(name string) (svg []byte, ok bool) {
	svg, err := fs.ReadFile(pictures, "pictures/"+name)
	return svg, err == nil && !strings.Contains(name, "/")
}
