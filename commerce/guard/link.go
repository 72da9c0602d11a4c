package guard

import (
	"net/url"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// orderLinkLife is how long an order's link can be opened.
const orderLinkLife = 2 * 365 * 24 * time.Hour

// OrderPath is the path of an order's page with the signature that lets whoever has it read the order. An order has
// one such path for ever: it stands on receipts and in mails.
func (s *Signer) OrderPath(id commerce.OrderID, created time.Time) (string, error) {
	token, err := s.Sign(Claims{Kind: Order, Ref: id.String(), Expires: created.Add(orderLinkLife).Unix()})
	if err != nil {
		return "", err
	}
	return "/orders/" + id.String() + "?link=" + url.QueryEscape(token), nil
}
