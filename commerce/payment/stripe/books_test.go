package stripe

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rialto-live/rialto/commerce/payment/paymenttest"
)

// books are the small Stripe's records: intents, cards and refunds, and how they change.
type books struct {
	intents map[string]*intent
	order   []string // ids of intents, as they were made
	cards   map[string]*plastic
	refunds []*refund
	indexed int  // how many intents the search finds: one that was just made is found by the next search
	frozen  bool // the index learns nothing
}

type plastic struct {
	does paymenttest.Card
	used bool
}

type intent struct {
	id, status, currency string
	amount, received     int64
	refunded             int64
	method, tried, word  string // PaymentMethod; the last one tried, and why it was refused
	action               string
	charged              bool
	metadata             map[string]any
}

type refund struct {
	id, intent string
	amount     int64
	metadata   map[string]any
}

func newBooks() *books { return &books{intents: map[string]*intent{}, cards: map[string]*plastic{}} }

func (b *books) newCard(does paymenttest.Card) string {
	id := fmt.Sprintf("pm_%d", len(b.cards)+1)
	b.cards[id] = &plastic{does: does}
	return id
}

// held is what is reserved or taken under a reference.
func (b *books) held(reference string) (sum int64) {
	for _, pi := range b.intents {
		if pi.metadata["reference"] != reference {
			continue
		}
		switch pi.status {
		case "requires_capture":
			sum += pi.amount
		case "succeeded":
			sum += pi.received - pi.refunded
		}
	}
	return sum
}

// answer is the buyer's at the bank's page. The page of an intent that ended does nothing.
func (b *books) answer(id string, yes bool) {
	pi := b.intents[id]
	switch {
	case pi.status != "requires_action":
	case yes:
		pi.status, pi.charged = "requires_capture", true
	default:
		pi.refuse("payment_intent_authentication_failure", false)
	}
}

func (pi *intent) refuse(word string, charged bool) {
	pi.status, pi.tried, pi.method, pi.word, pi.charged = "requires_payment_method", pi.method, "", word, charged
}

// serve does what a request asks for.
func (b *books) serve(method, path string, form url.Values, fixture map[string]any) (int, map[string]any) {
	parts := strings.Split(path, "/")
	switch {
	case method == http.MethodPost && path == "payment_intents":
		return b.create(form, fixture)
	case method == http.MethodPost && path == "refunds":
		return b.refund(form, fixture)
	case method == http.MethodGet && path == "refunds":
		return b.listRefunds(form, fixture)
	case method == http.MethodGet && path == "payment_intents":
		return b.list(form, fixture)
	case method == http.MethodGet && path == "payment_intents/search":
		return b.search(form, fixture)
	case len(parts) < 2 || parts[0] != "payment_intents" || b.intents[parts[1]] == nil:
		return wrong(http.StatusNotFound, "invalid_request_error", "resource_missing", "intent")
	}
	pi := b.intents[parts[1]]
	status, body := http.StatusOK, map[string]any(nil)
	switch strings.Join(parts[2:], "/") {
	case "":
	case "confirm":
		status, body = b.confirm(pi, form)
	case "capture":
		status, body = b.capture(pi, form)
	case "cancel":
		status, body = b.cancel(pi)
	default:
		return wrong(http.StatusNotFound, "invalid_request_error", "resource_missing", "intent")
	}
	if body != nil {
		return status, body
	}
	return http.StatusOK, pi.show(fixture)
}

func (b *books) create(form url.Values, fixture map[string]any) (int, map[string]any) {
	amount, err := strconv.ParseInt(form.Get("amount"), 10, 64)
	if err != nil || amount < 1 {
		return wrong(http.StatusBadRequest, "invalid_request_error", "amount_too_small", "amount")
	}
	if form.Get("capture_method") != "manual" || form.Get("confirm") != "" {
		return wrong(http.StatusBadRequest, "invalid_request_error", "this company only captures by hand", "capture_method")
	}
	pi := &intent{
		id: fmt.Sprintf("pi_%d", len(b.intents)+1), status: "requires_payment_method", currency: form.Get("currency"), amount: amount,
		metadata: metadata(form, map[string]any{}),
	}
	b.intents[pi.id], b.order = pi, append(b.order, pi.id)
	return http.StatusOK, pi.show(fixture)
}

func metadata(form url.Values, into map[string]any) map[string]any {
	for name, values := range form {
		if key, ok := strings.CutPrefix(name, "metadata["); ok {
			into[strings.TrimSuffix(key, "]")] = values[0]
		}
	}
	return into
}

func unexpected() (int, map[string]any) {
	return wrong(http.StatusBadRequest, "invalid_request_error", "payment_intent_unexpected_state", "")
}

func (b *books) confirm(pi *intent, form url.Values) (int, map[string]any) {
	if pi.status != "requires_payment_method" {
		return unexpected()
	}
	card := b.cards[form.Get("payment_method")]
	if card == nil || card.used {
		return wrong(http.StatusBadRequest, "invalid_request_error", "resource_missing", "payment_method")
	}
	card.used, pi.method, pi.word = true, form.Get("payment_method"), ""
	switch card.does {
	case paymenttest.AsksBank:
		pi.status, pi.action = "requires_action", "https://hooks.stripe.com/3d_secure/"+pi.id
		if form.Get("return_url") == "" {
			pi.action = "" // the page's own library would have to ask
		}
	case paymenttest.Declines:
		pi.refuse("insufficient_funds", true)
		status, body := wrong(http.StatusPaymentRequired, "card_error", "card_declined", "")
		body["error"].(map[string]any)["decline_code"] = pi.word
		return status, body
	default:
		pi.status, pi.charged = "requires_capture", true
	}
	return 0, nil
}

func (b *books) capture(pi *intent, form url.Values) (int, map[string]any) {
	amount, err := strconv.ParseInt(form.Get("amount_to_capture"), 10, 64)
	switch {
	case pi.status != "requires_capture":
		return unexpected()
	case err != nil || amount < 1 || amount > pi.amount:
		return wrong(http.StatusBadRequest, "invalid_request_error", "amount_too_large", "amount_to_capture")
	}
	pi.status, pi.received = "succeeded", amount
	metadata(form, pi.metadata)
	return 0, nil
}

func (b *books) cancel(pi *intent) (int, map[string]any) {
	if pi.status == "succeeded" || pi.status == "canceled" || pi.status == "processing" {
		return unexpected()
	}
	pi.status, pi.action = "canceled", ""
	return 0, nil
}

func (b *books) refund(form url.Values, fixture map[string]any) (int, map[string]any) {
	pi := b.intents[form.Get("payment_intent")]
	amount, err := strconv.ParseInt(form.Get("amount"), 10, 64)
	switch {
	case pi == nil:
		return wrong(http.StatusNotFound, "invalid_request_error", "resource_missing", "payment_intent")
	case pi.status != "succeeded" || err != nil || amount < 1 || amount > pi.received-pi.refunded:
		return wrong(http.StatusBadRequest, "invalid_request_error", "", "amount")
	}
	r := &refund{id: fmt.Sprintf("re_%d", len(b.refunds)+1), intent: pi.id, amount: amount, metadata: metadata(form, map[string]any{})}
	b.refunds = append(b.refunds, r)
	pi.refunded += amount
	return http.StatusOK, r.show(fixture)
}

func (r *refund) show(fixture map[string]any) map[string]any {
	fixture["id"], fixture["amount"], fixture["payment_intent"], fixture["metadata"], fixture["status"] = r.id, r.amount, r.intent, r.metadata, "succeeded"
	return fixture
}

// listRefunds shows one at a time, the newest first, so that whoever wants all must turn pages.
func (b *books) listRefunds(form url.Values, fixture map[string]any) (int, map[string]any) {
	page, more := []any{}, false
	after := form.Get("starting_after")
	for n := len(b.refunds) - 1; n >= 0; n-- {
		r := b.refunds[n]
		switch {
		case r.intent != form.Get("payment_intent"):
		case after != "":
			if r.id == after {
				after = ""
			}
		case len(page) == 0:
			page = append(page, r.show(map[string]any{"object": "refund"}))
		default:
			more = true
		}
	}
	fixture["data"], fixture["has_more"] = page, more
	return http.StatusOK, fixture
}

// list shows one at a time, the newest first, and knows that all of them were made now.
func (b *books) list(form url.Values, fixture map[string]any) (int, map[string]any) {
	page, more := []any{}, false
	after := form.Get("starting_after")
	since, err := strconv.ParseInt(form.Get("created[gte]"), 10, 64)
	if err != nil {
		return wrong(http.StatusBadRequest, "invalid_request_error", "", "created")
	}
	for n := len(b.order) - 1; n >= 0 && since <= time.Now().Unix(); n-- {
		switch id := b.order[n]; {
		case after != "":
			if id == after {
				after = ""
			}
		case len(page) == 0:
			page = append(page, map[string]any{"id": id, "object": "payment_intent", "status": "requires_payment_method"}) // it says too little
		default:
			more = true
		}
	}
	fixture["data"], fixture["has_more"] = page, more
	return http.StatusOK, fixture
}

func (b *books) search(form url.Values, fixture map[string]any) (int, map[string]any) {
	found := []any{}
	for _, id := range b.order[:b.indexed] {
		pi := b.intents[id]
		quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(fmt.Sprint(pi.metadata["reference"]))
		if form.Get("query") == "metadata['reference']:'"+quoted+"'" {
			found = append(found, map[string]any{"id": id, "object": "payment_intent", "status": "requires_payment_method"}) // and stale
		}
	}
	if !b.frozen {
		b.indexed = len(b.order)
	}
	fixture["data"], fixture["has_more"], fixture["next_page"] = found, false, nil
	return http.StatusOK, fixture
}

// show fills a whole object of the API with what this intent is.
func (pi *intent) show(fixture map[string]any) map[string]any {
	fill(fixture, map[string]any{
		"id": pi.id, "status": pi.status, "amount": pi.amount, "currency": pi.currency, "amount_received": pi.received,
		"metadata": pi.metadata, "payment_method": orNull(pi.method), "last_payment_error": nil, "next_action": nil,
		"client_secret": pi.id + "_secret_1",
	})
	if pi.word != "" {
		e := map[string]any{"type": "card_error", "code": "card_declined", "decline_code": pi.word, "payment_method": map[string]any{"id": pi.tried}}
		if !pi.charged {
			e = map[string]any{"type": "invalid_request_error", "code": pi.word, "payment_method": map[string]any{"id": pi.tried}}
		}
		fixture["last_payment_error"] = e
	}
	if pi.status == "requires_action" {
		next := map[string]any{"type": "use_stripe_sdk", "use_stripe_sdk": map[string]any{}}
		if pi.action != "" {
			next = map[string]any{"type": "redirect_to_url", "redirect_to_url": map[string]any{"url": pi.action}}
		}
		fixture["next_action"] = next
	}
	charge, expanded := fixture["latest_charge"].(map[string]any)
	switch {
	case !pi.charged:
		fixture["latest_charge"] = nil
	case expanded:
		status := "succeeded"
		if pi.word != "" {
			status = "failed"
		}
		fill(charge, map[string]any{"status": status, "amount": pi.amount, "amount_captured": pi.received, "amount_refunded": pi.refunded})
	}
	return fixture
}

func fill(object, with map[string]any) {
	for name, value := range with {
		object[name] = value
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
