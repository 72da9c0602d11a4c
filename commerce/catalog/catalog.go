package catalog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	MaxTitle        = 120  // characters
	MaxDescription  = 4000 // characters
	MaxVariantTitle = 80   // characters
	MaxImage        = 300  // bytes
	MinAmount       = 1
	MaxAmount       = 100_000_000 // minor units
	MaxVariants     = 50          // of one product
	MaxList         = 200         // products read at once
)

// What can be wrong; the texts are for the person who typed.
var (
	ErrTitle       = errors.New("a product's title has 1 to 120 characters")
	ErrDescription = errors.New("a product's description has at most 4000 characters")
	ErrPrice       = errors.New("a price is between 0.01 and 1,000,000.00, in a currency of three capital letters")
	ErrImage       = errors.New("a product's picture is a path of this site")
	ErrNotYours    = errors.New("this product belongs to somebody else")
	ErrUnknown     = errors.New("no such product")
	ErrTooMany     = errors.New("a product has at most 50 variants")
)

// Variant is the exact thing that is sold.
type Variant struct {
	ID       commerce.VariantID
	Title    string // "" when the product has only one
	Amount   int64  // minor units
	Currency string // ISO 4217
}

// Product is what people see.
type Product struct {
	ID          commerce.ProductID
	Owner       commerce.AccountID
	Title       string
	Description string
	Image       string // URL path on this site
	Variants    []Variant
}

// Edit is what Save writes: a product, and one of its variants. Both ids are made by the client.
type Edit struct {
	ID          commerce.ProductID
	Owner       commerce.AccountID
	Title       string
	Description string
	Image       string // "": one of our drawings, chosen by the title
	Variant     Variant
}

// PriceSet is the data of the event price.set, whose key is the variant.
type PriceSet struct {
	Variant  commerce.VariantID `json:"variant"`
	Amount   int64              `json:"amount"`
	Currency string             `json:"currency"`
}

var (
	currency = regexp.MustCompile(`^[A-Z]{3}$`)
	// A path, never another host: pages load pictures from this site alone (CSP).
	imagePath = regexp.MustCompile(`^/[A-Za-z0-9][A-Za-z0-9._/-]*$`)
)

// Save makes or edits a product and its variant. Written twice it is the same product. ErrNotYours when
// either id belongs to another owner (or the variant to another product).
func Save(ctx context.Context, tx pgx.Tx, e Edit) (Product, error) {
	if err := e.normalise(); err != nil {
		return Product{}, err
	}
	tag, err := tx.Exec(ctx, `
		insert into product as p (id, owner, title, description, image) values ($1, $2, $3, $4, $5)
		on conflict (id) do update set title = excluded.title, description = excluded.description,
			image = excluded.image, updated_at = now()
		where p.owner = excluded.owner`, e.ID, e.Owner, e.Title, e.Description, e.Image)
	if err != nil {
		return Product{}, fmt.Errorf("save %s: %w", e.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return Product{}, ErrNotYours
	}
	// The product's row is locked now, so its variants are counted by one at a time.
	v := e.Variant
	tag, err = tx.Exec(ctx, `
		insert into variant as v (id, product, title, amount, currency, place)
		select $1, $2, $3, $4, $5, coalesce(max(place) + 1, 0) from variant where product = $2
		on conflict (id) do update set title = excluded.title, amount = excluded.amount, currency = excluded.currency
		where v.product = excluded.product`, v.ID, e.ID, v.Title, v.Amount, v.Currency)
	if err != nil {
		return Product{}, fmt.Errorf("save %s: %w", v.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return Product{}, ErrNotYours
	}
	p, err := Get(ctx, tx, e.ID)
	if err != nil {
		return Product{}, err
	}
	if len(p.Variants) > MaxVariants {
		return Product{}, ErrTooMany
	}
	return p, nil
}

func (e *Edit) normalise() error {
	var ok bool
	var errs []error
	if e.ID.IsZero() || e.Variant.ID.IsZero() || e.Owner.IsZero() {
		errs = append(errs, fmt.Errorf("product, variant and owner: %w", commerce.ErrID))
	}
	if e.Title, ok = line(e.Title, MaxTitle); !ok || e.Title == "" {
		errs = append(errs, ErrTitle)
	}
	if e.Variant.Title, ok = line(e.Variant.Title, MaxVariantTitle); !ok {
		errs = append(errs, ErrTitle)
	}
	e.Description = strings.TrimSpace(e.Description)
	if !utf8.ValidString(e.Description) || strings.ContainsRune(e.Description, 0) || utf8.RuneCountInString(e.Description) > MaxDescription {
		errs = append(errs, ErrDescription)
	}
	if e.Variant.Amount < MinAmount || e.Variant.Amount > MaxAmount || !currency.MatchString(e.Variant.Currency) {
		errs = append(errs, ErrPrice)
	}
	if e.Image == "" {
		e.Image = PicturePath(e.Title)
	}
	if len(e.Image) > MaxImage || !imagePath.MatchString(e.Image) || strings.Contains(e.Image, "..") {
		errs = append(errs, ErrImage)
	}
	return errors.Join(errs...)
}

func line(s string, most int) (string, bool) {
	s = strings.TrimSpace(s)
	return s, utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}

// Get reads one product with its variants in order.
func Get(ctx context.Context, q schema.Querier, id commerce.ProductID) (Product, error) {
	found, err := List(ctx, q, []commerce.ProductID{id})
	if err != nil {
		return Product{}, err
	}
	if len(found) == 0 {
		return Product{}, ErrUnknown
	}
	return found[0], nil
}

// List reads products, in the order of ids; unknown ones are left out.
func List(ctx context.Context, q schema.Querier, ids []commerce.ProductID) ([]Product, error) {
	if len(ids) > MaxList {
		return nil, fmt.Errorf("read %d products at once, at most %d", len(ids), MaxList)
	}
	rows, err := q.Query(ctx, `
		select p.id, p.owner, p.title, p.description, p.image, v.id, v.title, v.amount, v.currency
		from unnest($1::uuid[]) with ordinality as wanted(id, n)
		join product p on p.id = wanted.id
		join variant v on v.product = p.id
		order by wanted.n, v.place`, ids)
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	var (
		found []Product
		p     Product
		v     Variant
	)
	_, err = pgx.ForEachRow(rows, []any{&p.ID, &p.Owner, &p.Title, &p.Description, &p.Image, &v.ID, &v.Title, &v.Amount, &v.Currency}, func() error {
		if len(found) == 0 || found[len(found)-1].ID != p.ID {
			found = append(found, p)
		}
		last := &found[len(found)-1]
		last.Variants = append(last.Variants, v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read products: %w", err)
	}
	return found, nil
}

// PriceEvents is what a show says about the prices of its products: one price.set per variant.
func PriceEvents(products []Product) []outbox.EventRow {
	var events []outbox.EventRow
	for _, p := range products {
		for _, v := range p.Variants {
			events = append(events, outbox.EventRow{
				Type: "price.set", Key: v.ID.String(), Class: outbox.Lossless,
				Data: PriceSet{Variant: v.ID, Amount: v.Amount, Currency: v.Currency},
			})
		}
	}
	return events
}
