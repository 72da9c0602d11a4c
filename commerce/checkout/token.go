package checkout

import (
	"context"
	"fmt"
	"strings"

	"github.com/rialto-live/rialto/commerce/payment"
)

// maxToken bounds the name of a card at a provider, in bytes.
const maxToken = 255

// token is what the provider knows the buyer's card by: the one that its own field on the page has made, or one for a
// card that came to us. A provider has the one way or the other, never both. A card that did not come, or came the
// other way, is payment.ErrCardInvalid.
func (s *Service) token(ctx context.Context, r PayRequest) (string, error) {
	switch {
	case r.Token != "" && r.Card != (payment.Card{}):
		return "", fmt.Errorf("%w: a card and a token", payment.ErrCardInvalid)
	case s.Vault != nil && r.Token == "":
		token, err := s.Vault.Tokenise(ctx, r.Card)
		return token, pending(err)
	case s.Vault != nil:
		return "", fmt.Errorf("%w: a token, and cards are typed here", payment.ErrCardInvalid)
	case r.Token == "":
		return "", fmt.Errorf("%w: no token, and no card is taken here", payment.ErrCardInvalid)
	case len(r.Token) > maxToken || strings.ContainsFunc(r.Token, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", fmt.Errorf("%w: no token looks like this", payment.ErrCardInvalid)
	}
	return r.Token, nil
}
