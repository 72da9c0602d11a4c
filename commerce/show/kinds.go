package show

import "github.com/rialto-live/rialto/commerce/outbox"

// Kinds is what this package lets a show say.
var Kinds = []outbox.EventKind{
	{Type: "show.state", Class: outbox.Lossless, Key: "show", Data: StateSet{}, About: "Where the show is in its life, and whether its media arrives."},
	{Type: "pin.set", Class: outbox.Lossless, Key: "pin", Data: PinSet{}, About: "The product on everybody's screen."},
	{Type: "catalog.set", Class: outbox.Lossless, Key: "catalog", Data: CatalogSet{}, About: "The list of products has changed: read it again."},
}
