// Package checkout is the way from a tap to a paid order, in readable files: checkout.go (what buyers ask for), pay.go (the
// pay tap), drive.go (what becomes of a payment), confirm.go, capture.go, redrive.go and notices.go (who goes on with it),
// rebuild.go (what a restored backup does not know goes back).
//
// # Overview
//
//	Hold     units for a buyer, durable before "yours"                 (stock)
//	Costs    goods, delivery and tax of a hold that goes somewhere     (delivery)
//	Pay      order pending + payment sent + hold paying                one transaction
//	         authorise at the provider                                 outside of any
//	         confirm: payment, order, hold sold, ledger, capture effect   one transaction
//	         or decline: payment failed, order cancelled, hold held again one transaction
//	         or wait: the buyer confirms at their bank, the units stay    one transaction
//	         then whoever comes first asks again, and confirms or declines:
//	           Look           the buyer is back, or looks at the order
//	           DrainNotices   the provider has told a node; any node goes on
//	           RedriveDue     nobody came, nothing was told, a driver died or got no answer
//	capture  an outbox effect for all that were confirmed together, repeated until each is done
//	void     at the pay deadline: the provider ends the payment first, then the units go back
//	mail     an outbox effect: the receipt of an order; to whoever left for their bank also that nothing was taken
//
// Each arrow is a commit, and each step can be repeated: whoever dies between two, the redriver of any node
// goes on from what the rows say.
//
// # Together
//
// Buyers who pay at once share the transactions of the pay tap, of the confirmation and of the note that money is taken
// (batch.go): who comes while one is under way waits, and all who wait go in the next (package gather). A lone buyer is a batch
// of one. A batch is a few statements, each of which says which rows it moved. When one of a batch cannot be moved, the batch
// is undone and tried again without it; so nobody is hurt by a neighbour, and nothing is ever half done.
//
// # Invariants
//
//   - No provider is called before the intent is committed, and none inside a transaction.
//   - Money is captured only for a confirmed order, once, and exactly its total.
//   - The units of a hold that is being paid move only after the provider said what became of the money.
//   - What is charged is computed in the transaction that makes the order, and is what the page showed: if it is not,
//     nothing is made. Rates that change later change no order.
//   - An address is written beside its order, and nowhere else unless its buyer's account shall keep it.
//   - What the provider tells is no more than a reason to ask. What it answers is merged along the table of payment's states:
//     an outcome that is known stays, and an answer that contradicts it is logged, counted and noted for a person.
//   - A card is handed to the vault and forgotten; rows and the outbox have a one-time token at most.
//
// # Concurrency
//
//	Service.Run   started and awaited by the program; owns the two below and waits for them
//	  redrive       looks for payments that are due; up to 8 calls at once
//	  drain         works off the inbox, when Noticed or when it looks; up to 8 calls at once
//
// Everything else works in its caller's goroutine; what goes together is done by one of its callers. A payment is driven by
// one caller at a time: who begins it, and then whoever claims it (payment.Drive).
//
// # Imports
//
// commerce (ids), money, schema, outbox, mail, gather, crash; catalog, show, ledger, delivery; stock, price, payment, order, community.
package checkout
