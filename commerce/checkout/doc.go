// Package checkout is the way from a tap to a paid order, in one readable file: checkout.go.
//
// # Overview
//
//	Hold     units for a buyer, durable before "yours"                 (stock)
//	Costs    goods, delivery and tax of a hold that goes somewhere     (delivery)
//	Pay      order pending + payment intent + hold paying              one transaction
//	         authorise at the provider                                 outside of any
//	         confirm: payment, order, hold sold, ledger, capture effect   one transaction
//	         or decline: payment failed, order cancelled, hold held again one transaction
//	capture  an outbox effect, repeated until it is done
//	redrive  finds payments whose driver died or got no answer, and goes on with the same key
//	void     at the pay deadline: the provider ends the payment first, then the units go back
//	mail     an outbox effect: the receipt of an order; to whoever left for their bank also that nothing was taken
//
// Each arrow is a commit, and each step can be repeated: whoever dies between two, the redriver of any node
// goes on from what the rows say.
//
// # Invariants
//
//   - No provider is called before the intent is committed, and none inside a transaction.
//   - Money is captured only for a confirmed order, once, and exactly its total.
//   - The units of a hold that is being paid move only after the provider said what became of the money.
//   - What is charged is computed in the transaction that makes the order, and is what the page showed: if it is not,
//     nothing is made. Rates that change later change no order.
//   - An address is written beside its order, and nowhere else unless its buyer's account shall keep it.
//   - A card is handed to the vault and forgotten; rows and the outbox have a one-time token at most.
//
// # Concurrency
//
//	Service.Run   started and awaited by the program: the redriver
//
// Everything else works in its caller's goroutine. A payment is driven by one caller at a time (payment.Drive).
//
// # Imports
//
// commerce (ids), money, schema, outbox, mail, crash; catalog, show, ledger, delivery; stock, price, payment, order, community.
package checkout
