package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/commerce"
)

// A node seals what moves by itself; its file is checked by the program alone, with no store to ask; one changed
// digit is found.
func TestVerifyAStockLedger(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	mara, vic := n.signUp("mara", "creator"), n.guest()
	pan := mara.sell(mara.newShow(), 3)
	hold := vic.hold(pan, 1)
	vic.want(http.StatusCreated, "", http.MethodPut, orderPath(), paying(hold, cardGood))
	path := "/shows/" + pan.show + "/ledgers/" + pan.variant
	eventually(t, "the sale is in the ledger", func() bool {
		ledger, _ := vic.want(http.StatusOK, "", http.MethodGet, path, nil).body["ledger"].(map[string]any)
		return ledger["sold"] == 1.0
	})
	file := vic.want(http.StatusOK, "", http.MethodGet, path+"/file", nil).raw
	name := filepath.Join(t.TempDir(), "ledger.jsonl")
	check := func(content []byte, args ...string) (int, string, string) {
		t.Helper()
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := run(context.Background(), append([]string{"verify"}, args...), terminal{bytes.NewReader(content), &out, &errs, nil})
		return code, out.String(), errs.String()
	}
	for _, from := range []string{name, "-"} {
		code, said, complained := check(file, "--chain", from, "--hold", hold)
		if code != 0 || complained != "" || !strings.Contains(said, "allocated 3 = available 2 + held 0 (0 of them being paid) + sold 1") || !strings.Contains(said, ": sell, paying to sold") {
			t.Errorf("%d: %s%s", code, said, complained)
		}
	}
	if code, _, complained := check(file, "--chain", name, "--hold", commerce.NewID[commerce.HoldID]().String()); code != exitFailed || !strings.Contains(complained, "is in no row") {
		t.Errorf("another hold: %d %s", code, complained)
	}
	for what, content := range map[string][]byte{
		"line 2: ": bytes.Replace(file, []byte(`"units":3`), []byte(`"units":4`), 1), "the file was cut off": file[:len(file)-1-len(lastLine(file))],
	} {
		if code, said, complained := check(content, "--chain", name); code != exitFailed || said != "" || !strings.Contains(complained, what) || strings.Count(complained, "\n") != 1 {
			t.Errorf("%s: %d %s%s", what, code, said, complained)
		}
	}
	for what, args := range map[string][]string{
		"--hold needs --chain": {"--hold", hold}, "not an id of this kind": {"--chain", name, "--hold", "hld_1"}, "takes no": {"--chain", name, "now"},
	} {
		if code, _, complained := check(file, args...); code != exitUsage || !strings.Contains(complained, what) {
			t.Errorf("%s: %d %s", what, code, complained)
		}
	}
	if code, _, complained := check(file, "--chain", name+".gone"); code != exitFailed || !strings.Contains(complained, "no such file") {
		t.Errorf("no file: %d %s", code, complained)
	}
}

func lastLine(file []byte) []byte {
	file = bytes.TrimSuffix(file, []byte("\n"))
	return file[bytes.LastIndexByte(file, '\n')+1:]
}
