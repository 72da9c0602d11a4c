package api

import (
	"context"
	"net/http"
	"time"

	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/mail"
)

// How often a link may be asked for. By mailbox, so that nobody is flooded with mails; counted before it is known
// whether somebody has an account, so that the refusal tells nothing either.
var (
	resetAddress  = guard.Rule{Name: "reset_address", Burst: 20, Every: time.Minute}
	resetEmail    = guard.Rule{Name: "reset_email", Burst: 3, Every: 20 * time.Minute}
	redeemAddress = guard.Rule{Name: "redeem_address", Burst: 30, Every: 6 * time.Second}
)

func (a *API) registerResets() {
	a.translate(
		translation{is: account.ErrReset, make: says(http.StatusGone, "reset_invalid", "This link does not work any more: it works once, for an hour. Ask for a new one.")},
		translation{is: mail.ErrOff, make: says(http.StatusServiceUnavailable, "mail_unavailable", "No mail can be sent here, so no link either. Ask whoever runs this shop.")},
	)
	register(a, operation{
		ID: "askPasswordReset", Method: http.MethodPost, Path: "/password-resets", Tag: tagPeople, Status: http.StatusAccepted, Rule: resetAddress,
		Summary: "Have a link to a new password mailed; the answer is the same whether or not there is such an account",
		Codes:   []string{"email_invalid", "too_many_attempts", "mail_unavailable"},
	}, func(ctx context.Context, in *struct {
		Body struct {
			Email string `json:"email"`
		}
	}) (*struct{ Body struct{} }, error) {
		if !a.config.Accounts.Mails() {
			return nil, mail.ErrOff
		}
		if _, err := account.NormalEmail(in.Body.Email); err != nil {
			return nil, err
		}
		if err := a.limitKey(ctx, resetEmail, emailKey(in.Body.Email)); err != nil {
			return nil, err
		}
		return &struct{ Body struct{} }{}, a.config.Accounts.AskReset(ctx, in.Body.Email)
	})
	register(a, operation{
		ID: "redeemPasswordReset", Method: http.MethodPost, Path: "/password-resets/redeem", Tag: tagPeople, Rule: redeemAddress,
		Summary: "Set a new password with the token of a mailed link; signs in here and out everywhere else",
		Codes:   []string{"reset_invalid", "password_invalid", "too_many_attempts", "busy"},
	}, func(ctx context.Context, in *struct {
		Body struct {
			Token    string `json:"token" doc:"What stands behind the # of the link"`
			Password string `json:"password"`
		}
	}) (*accountOutput, error) {
		s, err := a.config.Accounts.Redeem(ctx, in.Body.Token, in.Body.Password)
		if err != nil {
			return nil, err
		}
		return a.enter(ctx, s)
	})
}
