package drop

import "github.com/rialto-live/rialto/commerce/outbox"

// Kinds is what this package lets a show say.
var Kinds = []outbox.EventKind{
	{Type: "drop.set", Class: outbox.Lossless, KeyMember: "variant", Data: Set{}, About: "When a variant is released. Pages judge by the server's clock."},
}
