package crash

// Names lists every place and what has just happened there.
var Names = map[string]string{
	"stock.admitted":          "Redis has admitted taps, Postgres does not know of them",
	"stock.committed":         "holds are committed, nobody has been told",
	"checkout.begun":          "order and payment are committed, nobody has been asked for money",
	"checkout.driven":         "a payment is claimed by its driver, who has not called yet",
	"checkout.authorised":     "the money is reserved, the order is not confirmed",
	"checkout.waits":          "it is noted that the buyer must confirm at their bank, they do not know",
	"checkout.confirmed":      "the order is confirmed, its buyer has had no answer",
	"checkout.declined":       "a decline is noted, the gate knows nothing and its buyer has had no answer",
	"checkout.void_called":    "the payment is ended at its company, its units are still taken",
	"checkout.capture_called": "the money is taken, we have not noted it",
	"checkout.captured":       "the capture is noted, its effect is not done",
	"payment.received":        "a webhook is kept, its sender has had no answer",
	"checkout.noticed":        "a webhook has been heeded, and is not closed",
	"outbox.effect_done":      "an effect has had its effect, and is not marked as done",
	"mail.accepted":           "a mail is with its server, its effect is not done",
}
