package stock

import "github.com/rialto-live/rialto/commerce/outbox"

// Kinds is what this package lets a show say.
var Kinds = []outbox.EventKind{
	{Type: "stock.set", Class: outbox.Latest, KeyMember: "variant", Data: StockSet{}, About: "What is left of a variant in the show."},
}
