// Package sandbox is a payment company with play money: a server, and the client that our checkout reaches it
// through like any other provider.
//
// # Overview
//
// The server keeps its charges in the Postgres schema "sandbox" and so survives being killed, like a real
// company would. What a card does is chosen by its test number (see Cards). Numbers are looked at once, when
// a token is made, and never kept.
//
// # Cards
//
// Any three or four digits of code, any date to come. Every other number is declined: nobody's real card "works".
//
//	4242 4242 4242 4242  pays
//	4000 0000 0000 0002  declined
//	4000 0000 0000 9995  declined: too little money
//	4000 0000 0000 0119  the charge is made, the first answer is a 500
//	4000 0000 0000 0341  the charge is made, the first answer never comes
//	4000 0000 0000 3220  3-D Secure: the buyer confirms, and it pays, or refuses, and it is declined
//	4000 0000 0000 3238  3-D Secure, and no webhook ever tells of it
//	4000 0000 0000 3246  3-D Secure, and each webhook comes five seconds late
//	4000 0000 0000 3253  pays, and each webhook comes twice; authorised comes after captured
//
// # Protocol
//
// JSON over HTTP. Every request but GET /healthz and the buyer's page carries `Authorization: Bearer <secret>`. Errors are
// `{"code": "…", "message": "…"}`.
//
//	POST /tokens                  {number, exp_month, exp_year, cvc}    -> {token}; 402 card_invalid
//	POST /charges                 {reference, amount, currency, token, return_url?}
//	                                                                    -> charge (also when declined or when it asks)
//	POST /charges/{id}/capture    {amount, key}                         -> charge
//	POST /charges/{id}/refunds    {amount, key}                         -> charge
//	POST /voids                   {reference}                           -> charge; a reference that was never seen becomes a
//	                                                                       voided charge, so that a late POST /charges cannot take money
//	GET  /charges/{id}, /charges?reference=…                            -> charge; 404 not_found
//	GET  /charges?since=…&after=… -> {charges} since a time, the oldest first, after the one of that id: 100 of them, or the last
//	PUT  /webhooks                {url}                                 -> {url}; the last 8 that were put are kept
//	GET, POST /challenge/{id}     a page for the buyer, and its form: answer=confirm or answer=refuse; then 303 to return_url
//
// reference and key are idempotency keys: repeated with the same content they answer what there is, with
// other content 409 key_reused. A charge is {id, reference, status, amount, currency, captured, refunded, decline, action}. A
// status is requires_action, authorised, captured, declined or voided; action is the path of the buyer's page while it asks.
//
// # Webhooks
//
// What happens to a charge is told to one of the endpoints, by the Standard Webhooks spec: headers webhook-id,
// webhook-timestamp and webhook-signature (HMAC-SHA256, v1; the key is HKDF-SHA256 of the secret with the info "rialto
// sandbox webhooks"), body {type, timestamp, data: charge}. Types: charge.requires_action, .authorised, .declined, .captured,
// .voided, .refunded. One that nobody answers with 2xx within five seconds is tried again, after a second, two, four, up to an
// hour, twenty times. It is written with the change that it tells of, so neither is lost when the server is killed; it may come
// twice, late and out of order.
//
// # Concurrency
//
// Serve is started and awaited by the program. It runs the HTTP server and four goroutines that deliver webhooks, and waits for
// all; a second server on the same tables shares the work. The client has no state but its connections.
//
// # Invariants
//
// Captured is never more than authorised, refunded never more than captured: CHECKs. A page's answer counts once, and only
// while the charge asks.
//
// # Imports
//
// commerce (ids), money, schema, payment.
package sandbox
