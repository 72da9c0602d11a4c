// Package sandbox is a payment company with play money: a server, and the client that our checkout reaches it
// through like any other provider.
//
// # Overview
//
// The server keeps its charges in the Postgres schema "sandbox" and so survives being killed, like a real
// company would. What a card does is chosen by its test number (see Cards). Numbers are looked at once, when
// a token is made, and never kept.
//
// # Protocol
//
// JSON over HTTP. Every request but GET /healthz carries `Authorization: Bearer <secret>`. Errors are
// `{"code": "…", "message": "…"}`.
//
//	POST /tokens                  {number, exp_month, exp_year, cvc}    -> {token}; 402 card_invalid
//	POST /charges                 {reference, amount, currency, token}  -> charge (also when declined)
//	POST /charges/{id}/capture    {amount, key}                         -> charge
//	POST /charges/{id}/refunds    {amount, key}                         -> charge
//	POST /voids                   {reference}                           -> charge; a reference that was never seen becomes a
//	                                                                       voided charge, so that a late POST /charges cannot take money
//	GET  /charges/{id}, /charges?reference=…                            -> charge; 404 not_found
//
// reference and key are idempotency keys: repeated with the same content they answer what there is, with
// other content 409 key_reused. A charge is {id, reference, status, amount, currency, captured, refunded, decline}.
//
// # Concurrency
//
// Serve is started and awaited by the program. The client has no state but its connections.
//
// # Invariants
//
// Captured is never more than authorised, refunded never more than captured: CHECKs.
//
// # Imports
//
// commerce (ids), money, schema, payment.
package sandbox
