package main

import (
	"strings"
	"testing"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// TestDemoAccountsAreRefusedBesideRealMoney: their password is public.
func TestDemoAccountsAreRefusedBesideRealMoney(t *testing.T) {
	pool := schematest.Pool(t)
	if err := refuseDemo(t.Context(), pool); err != nil {
		t.Fatalf("an empty database is refused: %v", err)
	}
	_, err := account.New(pool, account.NewHasher(), nil).SignUp(t.Context(), account.NewAccount{
		ID: commerce.NewID[commerce.AccountID](), Email: demoAccounts[1].Email, Name: "Vic", Password: demoPassword, Roles: []account.Role{account.Viewer},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := refuseDemo(t.Context(), pool); err == nil || !strings.Contains(err.Error(), "RIALTO_SANDBOX=1") {
		t.Errorf("got %v, want a refusal that says what to do", err)
	}
}
