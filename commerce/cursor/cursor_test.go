package cursor_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/cursor"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := commerce.NewID[commerce.ShowID]()
		want := time.UnixMicro(rapid.Int64Range(0, 1<<52).Draw(t, "at"))
		at, got, err := cursor.Read[commerce.ShowID]("mine", cursor.Write("mine", want, id))
		if err != nil || !at.Equal(want) || *got != id {
			t.Fatalf("%v %v %v, want %v %v", at, got, err, want, id)
		}
	})
	if at, id, err := cursor.Read[commerce.ShowID]("mine", ""); at != nil || id != nil || err != nil {
		t.Errorf("the first page: %v %v %v", at, id, err)
	}
}

func TestWhatIsNoneIsRefused(t *testing.T) {
	good := cursor.Write("mine", time.Now(), commerce.NewID[commerce.ShowID]())
	coded := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	id := commerce.NewID[commerce.ShowID]().String()
	for name, text := range map[string]string{
		"cut": good[:20], "not base64": "%%%", "of another list": cursor.Write("live", time.Now(), commerce.NewID[commerce.ShowID]()),
		"of other things": cursor.Write("mine", time.Now(), commerce.NewID[commerce.OrderID]()), "no time": coded("mine yesterday " + id),
		"more": coded("mine 2026-01-02T03:04:05Z " + id + " x"), "too long": strings.Repeat("x", cursor.Max+1), "at the limit": strings.Repeat("x", cursor.Max),
	} {
		if _, _, err := cursor.Read[commerce.ShowID]("mine", text); !errors.Is(err, cursor.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
