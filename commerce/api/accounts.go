package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/guard"
)

// How often one may try. A person mistypes a password a few times; a machine tries for hours. By address the
// burst is larger, because many people share one. Failures and successes both count: hashing costs us the same.
var (
	signInAddress = guard.Rule{Name: "sign_in_address", Burst: 30, Every: 6 * time.Second}
	signInEmail   = guard.Rule{Name: "sign_in_email", Burst: 10, Every: 30 * time.Second}
	signUpAddress = guard.Rule{Name: "sign_up_address", Burst: 20, Every: time.Minute}
)

func (a *API) registerAccounts() {
	a.translate(
		translation{is: account.ErrEmail, status: http.StatusUnprocessableEntity, code: "email_invalid"},
		translation{is: account.ErrName, status: http.StatusUnprocessableEntity, code: "name_invalid"},
		translation{is: account.ErrPassword, status: http.StatusUnprocessableEntity, code: "password_invalid"},
		translation{is: account.ErrRole, status: http.StatusUnprocessableEntity, code: "role_invalid"},
		translation{is: account.ErrEmailTaken, status: http.StatusConflict, code: "email_taken", make: func(error) *Problem {
			return problem(http.StatusConflict, "email_taken", "There is an account with this e-mail address already. Sign in instead.")
		}},
		translation{is: account.ErrConflict, status: http.StatusConflict, code: "account_conflict"},
		translation{is: account.ErrCredentials, status: http.StatusUnauthorized, code: "credentials_wrong", make: func(error) *Problem {
			return problem(http.StatusUnauthorized, "credentials_wrong", "E-mail address or password is wrong. Check both and try again.")
		}},
		translation{is: account.ErrNoAccount, status: http.StatusNotFound, code: "account_unknown"},
		translation{is: account.ErrBusy, make: func(error) *Problem {
			return problem(http.StatusServiceUnavailable, "busy", "Many people are signing in at this moment. Try again.").retry(2 * time.Second)
		}},
	)
	a.registerSignUp()
	a.registerSessions()
}

func (a *API) registerSignUp() {
	register(a, operation{
		ID: "signUp", Method: http.MethodPost, Path: "/accounts", Tag: tagPeople, Status: http.StatusCreated,
		Summary: "Make an account and sign in", Rule: signUpAddress,
		Codes: []string{"email_invalid", "name_invalid", "password_invalid", "role_invalid", "email_taken", "account_conflict", "too_many_attempts", "busy"},
	}, func(ctx context.Context, in *struct {
		Body struct {
			ID       commerce.AccountID `json:"id" doc:"Made by the client; the same again on a retry"`
			Email    string             `json:"email"`
			Name     string             `json:"name"`
			Password string             `json:"password"`
			Roles    []account.Role     `json:"roles,omitempty" maxItems:"8" enum:"creator,viewer,brand,operator" doc:"creator, viewer, brand; none: viewer"`
		}
	}) (*accountOutput, error) {
		b := in.Body
		// Counted by address of mail too: an id that is there already is checked against a password.
		if err := a.limitKey(ctx, signInEmail, emailKey(b.Email)); err != nil {
			return nil, err
		}
		s, err := a.config.Accounts.SignUp(ctx, account.NewAccount{ID: b.ID, Email: b.Email, Name: b.Name, Password: b.Password, Roles: b.Roles})
		if err != nil {
			return nil, err
		}
		return a.enter(ctx, s)
	})
}

func (a *API) registerSessions() {
	register(a, operation{
		ID: "signIn", Method: http.MethodPost, Path: "/sessions", Tag: tagPeople, Status: http.StatusCreated,
		Summary: "Sign in", Rule: signInAddress, Codes: []string{"credentials_wrong", "too_many_attempts", "busy"},
	}, func(ctx context.Context, in *struct {
		Body struct {
			Email    string `json:"email"`
			Password string `json:"password"`
		}
	}) (*accountOutput, error) {
		if err := a.limitKey(ctx, signInEmail, emailKey(in.Body.Email)); err != nil {
			return nil, err
		}
		s, err := a.config.Accounts.SignIn(ctx, in.Body.Email, in.Body.Password)
		if err != nil {
			return nil, err
		}
		return a.enter(ctx, s)
	})
	register(a, operation{
		ID: "signOut", Method: http.MethodDelete, Path: "/sessions/current", Tag: tagPeople, Status: http.StatusNoContent,
		Summary: "Sign out here; ends what this session has open",
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		who, err := a.who(ctx)
		if err != nil {
			return nil, err
		}
		if who.Account != nil {
			if err := a.config.Accounts.SignOut(ctx, who.session); err != nil {
				return nil, err
			}
		}
		a.setCookie(ctx, SessionCookie, "", 0)
		return nil, nil
	})
	register(a, operation{
		ID: "signOutEverywhere", Method: http.MethodDelete, Path: "/sessions", Tag: tagPeople, Status: http.StatusNoContent,
		Summary: "Sign out on all devices", Codes: []string{"signed_out"},
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		if err := a.config.Accounts.SignOutAll(ctx, who.Account.ID); err != nil {
			return nil, err
		}
		a.setCookie(ctx, SessionCookie, "", 0)
		return nil, nil
	})
}

// enter hands a new session to the browser, and ends the one it had before: it would be left behind, alive and
// in nobody's hands.
func (a *API) enter(ctx context.Context, s account.Session) (*accountOutput, error) {
	before, err := a.who(ctx)
	if err != nil {
		return nil, err
	}
	if before.Account != nil && before.session != s.ID {
		if err := a.config.Accounts.SignOut(ctx, before.session); err != nil {
			return nil, err
		}
	}
	// The browser keeps it as long as it could live at most; the server judges.
	a.setCookie(ctx, SessionCookie, s.Secret, account.SessionMax)
	return &accountOutput{Body: *bodyOf(s.Account)}, nil
}

// emailKey counts all spellings of an address as one, and keeps what is none of them short.
func emailKey(email string) string {
	if normal, err := account.NormalEmail(email); err == nil {
		return normal
	}
	return strings.ToValidUTF8(email[:min(len(email), account.MaxEmail)], "")
}
