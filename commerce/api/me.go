package api

import (
	"context"
	"net/http"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
)

type accountBody struct {
	ID    commerce.AccountID `json:"id"`
	Name  string             `json:"name"`
	Email string             `json:"email"`
	Roles []account.Role     `json:"roles" enum:"creator,viewer,brand,operator"`
}

func bodyOf(a account.Account) *accountBody {
	return &accountBody{ID: a.ID, Name: a.Name, Email: a.Email, Roles: a.Roles}
}

type meOutput struct {
	Body struct {
		Subject  string       `json:"subject" doc:"Who you are everywhere: acc_… or gst_…"`
		Account  *accountBody `json:"account" doc:"null for a guest"`
		Now      time.Time    `json:"now" doc:"The server's clock"`
		Sandbox  bool         `json:"sandbox" doc:"Money is play money here"`
		Payments bool         `json:"payments" doc:"Something can be paid here"`
		Provider string       `json:"provider" enum:"none,sandbox,stripe" doc:"Who takes the payments"`
		CardKey  string       `json:"card_key" doc:"Stripe's publishable key, for its card fields; empty otherwise"`
		Mail     bool         `json:"mail" doc:"Mails are sent here: receipts, links to a new password"`
		Mailbox  bool         `json:"mailbox" doc:"The mails that would be sent can be read at GET /mailbox"`
	}
}

type accountOutput struct {
	Body accountBody
}

func (a *API) registerMe() {
	register(a, operation{
		ID: "getMe", Method: http.MethodGet, Path: "/me", Tag: tagPeople,
		Summary: "Who am I? Makes a guest of somebody unknown",
	}, func(ctx context.Context, _ *struct{}) (*meOutput, error) {
		who, err := a.person(ctx)
		if err != nil {
			return nil, err
		}
		out := &meOutput{}
		out.Body.Subject, out.Body.Now = who.Subject, a.config.Now().UTC()
		out.Body.Sandbox, out.Body.Payments = a.config.Sandbox, a.config.Sale.payments()
		out.Body.Provider, out.Body.CardKey = a.config.Sale.provider(), a.config.Sale.CardKey
		out.Body.Mail, out.Body.Mailbox = a.config.Accounts.Mails(), a.config.Mailbox != nil
		if who.Account != nil {
			out.Body.Account = bodyOf(*who.Account)
		}
		return out, nil
	})
	register(a, operation{
		ID: "editMe", Method: http.MethodPatch, Path: "/me", Tag: tagPeople,
		Summary: "Change my name", Codes: []string{"signed_out", "name_invalid"},
	}, func(ctx context.Context, in *struct {
		Body struct {
			Name string `json:"name"`
		}
	}) (*accountOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		changed, err := a.config.Accounts.Rename(ctx, who.Account.ID, in.Body.Name)
		if err != nil {
			return nil, err
		}
		return &accountOutput{Body: *bodyOf(changed)}, nil
	})
	register(a, operation{
		ID: "changePassword", Method: http.MethodPut, Path: "/me/password", Tag: tagPeople, Status: http.StatusNoContent,
		Summary: "Change my password; signs out everywhere else", Codes: []string{"signed_out", "credentials_wrong", "password_invalid", "too_many_attempts"},
		Rule: signInAddress,
	}, func(ctx context.Context, in *struct {
		Body struct {
			Old string `json:"old"`
			New string `json:"new"`
		}
	}) (*struct{}, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		if err := a.limitKey(ctx, signInEmail, who.Account.Email); err != nil {
			return nil, err
		}
		return nil, a.config.Accounts.ChangePassword(ctx, who.Account.ID, who.session, in.Body.Old, in.Body.New)
	})
}
