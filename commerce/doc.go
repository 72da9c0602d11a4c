// Package commerce is the root of everything that is decided and kept: people, shows, products, units,
// orders and money. The package itself holds only the typed ids that all of its parts share.
//
// # The buy tap's journey
//
// web viewer -> api -> checkout.Hold -> stock/gate.lua (Redis admits) -> stock (Postgres decides) ->
// payment authorise -> checkout's confirm (order, hold, ledger and outbox in one transaction) -> capture
// -> outbox.Dispatcher -> the program's bridge -> bus -> every viewer's countdown.
//
// Where the bank wants to be asked, authorise answers with its address: the buyer confirms there, and comes back to the
// order's page, which asks; the provider's webhook comes to payment.Hooks -> the inbox -> checkout, which asks; and when
// neither comes, the redriver asks. Whoever is first goes on with confirm, and the others find it done.
//
// # Laws
//
//  1. Row before call: the intent is committed before a provider is called.
//  2. Authorise, then confirm the stock, then capture.
//  3. Cancel before release: units being paid move only after the provider says it cannot pay.
//  4. Every transition is one conditional UPDATE judged by the database's clock.
//  5. Every external effect is an outbox row with a deterministic id.
//
// # Museum
//
// museum.md lists failures that other shops shipped, and the tests that show that they are none of ours.
//
// # Layers
//
// A package imports only from the layers above it in this list (layer 0 first), or a sibling that its
// own doc names: money, schema, outbox, guard, mail, cursor, crash; account, catalog, show, ledger, delivery, chain; stock, price, payment,
// order, community; drop, checkout, outage; verify; api. Nothing here imports media or realtime: a show is a stream's name
// and a room's name there, and only the program (cmd/rialto) sees all three.
//
// # Lock order
//
// A transaction takes pool rows first (in id order), then the rows it changes, and the outbox streams
// last (in key order; see outbox.Event), because a stream's row is shared by everything a show says.
//
// # Concurrency
//
// Nothing runs by itself here. outbox.Dispatcher.Run and the other Run methods are started and awaited by
// the program; every other function works in its caller's goroutine.
package commerce
