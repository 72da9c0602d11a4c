// Package stripe is Stripe as a payment.Provider: PaymentIntents that are captured by hand.
//
// # Overview
//
// A payment is one PaymentIntent, with our reference in its metadata. The card never reaches us: Stripe's own
// element on the page turns it into a PaymentMethod, whose id is the token. So there is no Vault here.
//
//	Authorise  create the intent, unconfirmed (key: the reference), then confirm it with the token (key: reference:confirm)
//	Void       create with the same key, which finds the intent or makes it, then cancel
//	Capture    capture, key: ours, which also stands in the intent's metadata
//	Refund     look for a refund with our key in its metadata, else make it
//
// Authorise and Void ask for the same creation, so Stripe answers both with the same intent, whoever comes first;
// and an intent that was cancelled can never be confirmed. That is how a void ends a reference for ever.
//
// # Repetitions
//
// Stripe remembers a key for at least 24 hours and answers it with what it answered first, also when that was a
// 500, and also when much has happened since. So a remembered answer is only a hint (header Idempotent-Replayed):
// the intent is read again. What must hold for longer is told by the objects themselves: the keys in their
// metadata, and the search that a Void makes when its key turns out to be fresh.
//
// When the creation itself is remembered as a 500, no answer ever named its intent: nobody can confirm it, and
// the reference is as good as ended. Authorise then says payment.ErrOutcomeUnknown, and Void voided.
//
// FindByReference searches by metadata. Stripe's index follows its data by some seconds, at times by minutes: an
// intent that was just made may not be found (payment.ErrNotFound), though what is found is read fresh. So not
// being found proves nothing. Authorise with the same reference is the safe repetition: it goes by the key, which
// is never late. An intent that nobody has confirmed is no charge yet and is not found either.
//
// # Amounts
//
// Stripe counts in the smallest unit, as we do, also where there are no cents (JPY). Currencies with three
// decimals (KWD) must end in a zero there: other amounts are refused before anything is sent.
//
// # Errors
//
// No answer, an unreadable one, 5xx, 409 (the key is in use just now) and 429 are payment.ErrOutcomeUnknown; 404 is
// payment.ErrNotFound; a declined card is a Charge; every other 4xx, a refused secret key among them, is
// payment.ErrRejected. Their texts have Stripe's code and the request's id, by which its dashboard shows the rest,
// and nothing that came from a buyer or opens anything.
//
// # Concurrency
//
// Nothing runs here. A Client may be used by many at once.
//
// # Invariants
//
// The library's global key, retries and telemetry are not used; the API's version is the library's.
//
// # Imports
//
// commerce (ids), money, schema, payment.
package stripe
