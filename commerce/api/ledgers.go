package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/chain"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

// ledgerFileRule is slower than other reading: a file has a whole sale in it.
var ledgerFileRule = guard.Rule{Name: "ledger_file_address", Burst: 20, Every: 3 * time.Second}

const (
	ledgerFileType = "application/jsonl"
	// ledgerWriteWithin is how long a reader may take for a buffer of a file, in which many rows fit.
	ledgerWriteWithin = 30 * time.Second
)

type ledgerBody struct {
	Pool    commerce.PoolID    `json:"pool"`
	Variant commerce.VariantID `json:"variant"`
	Product string             `json:"product" doc:"Title of the product"`
	Title   string             `json:"title" doc:"Title of the variant; empty when there is one alone"`
	chain.Head
}

func ledgerOf(a chain.Account) ledgerBody {
	return ledgerBody{Pool: a.Pool, Variant: a.Variant, Product: a.Product, Title: a.Title, Head: a.Head}
}

type ledgersOutput struct {
	Body struct {
		Ledgers []ledgerBody `json:"ledgers"`
	}
}

type ledgerPageOutput struct {
	Body struct {
		Ledger ledgerBody  `json:"ledger"`
		Rows   []chain.Row `json:"rows" doc:"Newest first"`
		Next   *string     `json:"next" doc:"Cursor of the next page; null on the last one"`
	}
}

type ledgerFileOutput struct {
	Type string `header:"Content-Type"`
	Name string `header:"Content-Disposition"`
	Body func(huma.Context)
}

// LedgerPath is embedded in the inputs of operations on one stock ledger.
type LedgerPath struct {
	ShowPath
	Variant commerce.VariantID `path:"variant"`
}

// registerLedgers adds what everybody may read of where the units of a show went.
func (a *API) registerLedgers() {
	a.translate(translation{is: chain.ErrUnknown, make: says(http.StatusNotFound, "ledger_unknown", "This show never had any units of this.")})
	register(a, operation{
		ID: "listLedgers", Method: http.MethodGet, Path: "/shows/{show}/ledgers", Tag: tagSale,
		Summary: "The public stock ledgers of a show: what was set aside for it, and where it is", Codes: []string{"show_unknown"},
	}, func(ctx context.Context, in *ShowPath) (*ledgersOutput, error) {
		if _, err := show.Get(ctx, a.config.Pool, in.Show); err != nil {
			return nil, err
		}
		accounts, err := chain.Accounts(ctx, a.config.Pool, in.Show)
		out := &ledgersOutput{}
		out.Body.Ledgers = make([]ledgerBody, 0, len(accounts))
		for _, account := range accounts {
			out.Body.Ledgers = append(out.Body.Ledgers, ledgerOf(account))
		}
		return out, err
	})
	register(a, operation{
		ID: "getLedger", Method: http.MethodGet, Path: "/shows/{show}/ledgers/{variant}", Tag: tagSale,
		Summary: "The public stock ledger of a variant: its totals, and each movement of its units, newest first",
		Codes:   []string{"ledger_unknown", "cursor_invalid"},
	}, func(ctx context.Context, in *struct {
		LedgerPath
		Cursor string `query:"cursor"`
	}) (*ledgerPageOutput, error) {
		out := &ledgerPageOutput{}
		err := schema.Snapshot(ctx, a.config.Pool, func(ctx context.Context, q schema.Querier, _ time.Time) error {
			account, err := chain.Get(ctx, q, in.Show, in.Variant)
			if err != nil {
				return err
			}
			page, err := chain.Rows(ctx, q, account, in.Cursor)
			out.Body.Ledger, out.Body.Rows = ledgerOf(account), page.Rows
			if page.Next != "" {
				out.Body.Next = &page.Next
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return out, nil
	})
	a.registerLedgerFile()
}

func (a *API) registerLedgerFile() {
	const path = "/shows/{show}/ledgers/{variant}/file"
	register(a, operation{
		ID: "getLedgerFile", Method: http.MethodGet, Path: path, Tag: tagSale, Rule: ledgerFileRule, Codes: []string{"ledger_unknown"},
		Summary: "The whole stock ledger of a variant as JSON lines, for `rialto verify --chain`",
	}, func(ctx context.Context, in *LedgerPath) (*ledgerFileOutput, error) {
		account, err := chain.Get(ctx, a.config.Pool, in.Show, in.Variant)
		if err != nil {
			return nil, err
		}
		return &ledgerFileOutput{
			Type: ledgerFileType, Name: fmt.Sprintf(`attachment; filename="stock-ledger-%s.jsonl"`, account.Pool),
			Body: func(c huma.Context) { a.sendLedger(c.Context(), account) },
		}, nil
	})
	a.huma.OpenAPI().Paths[Base+path].Get.Responses[statusText(http.StatusOK)].Content = map[string]*huma.MediaType{
		ledgerFileType: {Schema: &huma.Schema{Type: huma.TypeString, Description: "See the package commerce/chain"}},
	}
}

// sendLedger writes a file as fast as it is taken. One that cannot be written to its end breaks the connection, so that
// nobody takes it for whole.
func (a *API) sendLedger(ctx context.Context, account chain.Account) {
	req := requestOf(ctx)
	out := patient{req.w, http.NewResponseController(req.w)}
	if err := chain.Write(ctx, a.config.Pool, out, account); err != nil {
		if ctx.Err() == nil && !errors.Is(err, errGone) {
			a.log.WarnContext(ctx, "a stock ledger was sent in part", "error", err, "request", req.id)
		}
		panic(http.ErrAbortHandler)
	}
	_ = out.control.SetWriteDeadline(time.Time{}) // the connection may have another request
}

// errGone: the reader left, or takes nothing.
var errGone = errors.New("the reader is gone")

// patient gives its reader the same time for each piece.
type patient struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(ledgerWriteWithin)) // a server that has none has its own way
	n, err := p.w.Write(b)
	if err != nil {
		return n, fmt.Errorf("%w: %w", errGone, err)
	}
	return n, nil
}
