package main

import "time"

const (
	demoPassword = "market-on-a-bridge"
	demoTitle    = "Mara's kitchen"
	demoMara     = "mara@demo.rialto"
	demoPonte    = "brand@demo.rialto"
	demoStock    = 40 // units of the pinned product
	// demoRelease is how long after the start of the program the timed release opens.
	demoRelease = 5 * time.Minute
)

type demoAccount struct {
	Email, Name, About string
	Roles              []string
}

var demoAccounts = []demoAccount{
	{demoMara, "Mara", "creator of the demo show", []string{"creator", "brand"}},
	{demoPonte, "Ponte", "the brand whose products it sells", []string{"brand"}},
	{"vic@demo.rialto", "Vic", "a viewer", []string{"viewer"}},
}

// demoProduct is one of Ponte's. The first one is pinned.
type demoProduct struct {
	title, description, image string
	timed                     bool // sold from a time on, which is announced
	variants                  []demoVariant
}

type demoVariant struct {
	title  string // "" when there is one
	amount int64  // cents of EUR
	units  int
}

var demoProducts = []demoProduct{
	{title: "Copper pan 28 cm", image: "/img/copper-pan.svg", variants: []demoVariant{{"", 4900, demoStock}},
		description: "Hand-hammered copper with a steel lining. Heats evenly, sits flat, lasts longer than any of us."},
	{title: "Carbon-steel wok", image: "/img/wok.svg", timed: true, variants: []demoVariant{{"30 cm", 5400, 12}, {"35 cm", 6400, 8}},
		description: "Spun from one sheet, thin at the rim and quick to answer the flame. Black from the first week on, and better for it."},
	{title: "Cast-iron pan", image: "/img/cast-iron-pan.svg", variants: []demoVariant{{"20 cm", 2800, 30}, {"24 cm", 3400, 40}, {"28 cm", 4200, 18}},
		description: "Pre-seasoned, heavy in a good way. For crusts, steaks and cornbread."},
	{title: "Chef's knife 20 cm", image: "/img/chefs-knife.svg", variants: []demoVariant{{"", 8900, 15}},
		description: "Forged in one piece, ground thin behind the edge. Pearwood handle, balanced at the bolster."},
	{title: "Walnut board", image: "/img/walnut-board.svg", variants: []demoVariant{{"30 × 20 cm", 3900, 25}, {"45 × 30 cm", 6900, 14}},
		description: "End-grain walnut that is kind to knives, oiled by hand. A groove for the juice, feet that do not slip."},
	{title: "Stoneware bowls, set of three", image: "/img/stoneware-bowls.svg",
		variants:    []demoVariant{{"Sand", 4500, 20}, {"Moss", 4500, 16}, {"Night", 4800, 9}},
		description: "Thrown one by one, so that no two are the same. They nest, and go from the oven to the table."},
	{title: "Pepper mill", image: "/img/pepper-mill.svg", variants: []demoVariant{{"Beech", 3200, 30}, {"Walnut", 3600, 22}},
		description: "A steel grinder that will outlive its wood. From dust to steak with a quarter turn of the crown."},
	{title: "Linen apron", image: "/img/apron.svg", variants: []demoVariant{{"", 2600, 40}},
		description: "Washed linen, deep pockets, one size for everybody."},
	{title: "Linen towels, pair", image: "/img/linen-towels.svg", variants: []demoVariant{{"Saffron stripe", 1800, 60}, {"Blue stripe", 1800, 50}},
		description: "Woven in half-linen that dries glasses without a trace, softer with every wash. With a loop to hang them by."},
	{title: "Olive oil, new harvest", image: "/img/olive-oil.svg", variants: []demoVariant{{"250 ml", 1200, 80}, {"500 ml", 1900, 45}},
		description: "Pressed in October within hours of picking. Green, peppery, and best on bread."},
}
