package catalog

import "github.com/rialto-live/rialto/commerce/outbox"

// Kinds is what a show says of this package's things.
var Kinds = []outbox.EventKind{
	{Type: "price.set", Class: outbox.Lossless, KeyMember: "variant", Data: PriceSet{}, About: "The price of a variant."},
}
