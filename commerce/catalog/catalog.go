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
)

const (
	MaxTitle        = 120  // characters
	MaxDescription  = 4000 // characters
	MaxVariantTitle = 80   // characters
	MaxImage        = 300  // bytes
	MinAmount       = 1
	MaxAmount       = 100_000_000 // minor units
	MaxVariants     = 50          // of one product
	MaxProducts     = 2000        // of one owner
	MaxList         = 200         // products read at once
)

// What can be wrong; the texts are for the person who typed.
var (
	ErrTitle        = errors.New("a product's title has 1 to 120 characters")
	ErrVariantTitle = errors.New("several variants of a product have a name each, of at most 80 characters and no two the same")
	ErrDescription  = errors.New("a product's description has at most 4000 characters")
	ErrPrice        = errors.New("a price is between 0.01 and 1,000,000.00, in a currency of three capital letters")
	ErrImage        = errors.New("a product's picture is a path of this site")
	ErrNotYours     = errors.New("this product belongs to somebody else")
	ErrUnknown      = errors.New("no such product")
	ErrVariants     = errors.New("a product has at least one variant, and each only once")
	ErrTooMany      = errors.New("a product has at most 50 variants")
	ErrFull         = errors.New("an account has at most 2000 products")
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
	OwnerName   string
	Title       string
	Description string
	Image       string // URL path on this site
	Variants    []Variant
}

// Edit is what Save writes: a product, and some of its variants. All ids are made by the client.
type Edit struct {
	ID          commerce.ProductID
	Owner       commerce.AccountID
	Title       string
	Description string
	Image       string    // "": one of our drawings, chosen by the title
	Variants    []Variant // at least one; those left out stay as they are
	// KeepTitles leaves the titles of variants that there are: the form that was filled in does not show them.
	KeepTitles bool
}

// Saved is what Save did.
type Saved struct {
	Product  Product
	Created  bool
	Changed  bool                 // anything is other than it was; true when Created
	Repriced []commerce.VariantID // had another price until now
}

var (
	currency = regexp.MustCompile(`^[A-Z]{3}$`)
	// A path, never another host: pages load pictures from this site alone (CSP).
	imagePath = regexp.MustCompile(`^/[A-Za-z0-9][A-Za-z0-9._/-]*$`)
)

// Save makes or edits a product and its variants. Written twice it is the same product. ErrNotYours when
// an id belongs to another owner (or a variant's to another product). The product's row stays locked until the
// transaction ends: what a product costs changes one edit after the other.
func Save(ctx context.Context, tx pgx.Tx, e Edit) (s Saved, err error) {
	if err := e.normalise(); err != nil {
		return Saved{}, err
	}
	if s.Created, err = create(ctx, tx, e); err != nil {
		return Saved{}, err
	}
	s.Changed = s.Created
	if !s.Created {
		if s.Changed, err = edit(ctx, tx, e); err != nil {
			return Saved{}, err
		}
	}
	if err := s.variants(ctx, tx, e); err != nil {
		return Saved{}, err
	}
	s.Product, err = Get(ctx, tx, e.ID)
	return s, err
}

func create(ctx context.Context, tx pgx.Tx, e Edit) (bool, error) {
	tag, err := tx.Exec(ctx, `insert into product (id, owner, title, description, image) values ($1, $2, $3, $4, $5)
		on conflict (id) do nothing`, e.ID, e.Owner, e.Title, e.Description, e.Image)
	if err != nil {
		return false, fmt.Errorf("create %s: %w", e.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return false, nil
	}
	// Locked, so that two creations at once are counted one after the other.
	var count int
	if _, err = tx.Exec(ctx, `select from account where id = $1 for no key update`, e.Owner); err == nil {
		err = tx.QueryRow(ctx, `select count(*) from product where owner = $1`, e.Owner).Scan(&count)
	}
	if err != nil {
		return false, fmt.Errorf("count products: %w", err)
	}
	if count > MaxProducts {
		return false, ErrFull
	}
	return true, nil
}

func edit(ctx context.Context, tx pgx.Tx, e Edit) (changed bool, err error) {
	var owner commerce.AccountID
	err = tx.QueryRow(ctx, `select owner, (title, description, image) is distinct from ($2, $3, $4) from product where id = $1
		for no key update`, e.ID, e.Title, e.Description, e.Image).Scan(&owner, &changed)
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", e.ID, err)
	}
	if owner != e.Owner {
		return false, ErrNotYours
	}
	if !changed {
		return false, nil
	}
	_, err = tx.Exec(ctx, `update product set title = $2, description = $3, image = $4, updated_at = now() where id = $1`,
		e.ID, e.Title, e.Description, e.Image)
	if err != nil {
		return false, fmt.Errorf("save %s: %w", e.ID, err)
	}
	return true, nil
}

// variants writes those of the edit that are new or other than they were. The product's row is locked, so what
// is read here is what the edit changes.
func (s *Saved) variants(ctx context.Context, tx pgx.Tx, e Edit) error {
	rows, err := tx.Query(ctx, `select id, title, amount, currency from variant where product = $1`, e.ID)
	if err != nil {
		return fmt.Errorf("read variants of %s: %w", e.ID, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Variant])
	if err != nil {
		return fmt.Errorf("read variants of %s: %w", e.ID, err)
	}
	before := map[commerce.VariantID]Variant{}
	for _, v := range list {
		before[v.ID] = v
	}
	var (
		ids                []commerce.VariantID
		titles, currencies []string
		amounts            []int64
		total              = len(list)
	)
	for _, v := range e.Variants {
		old, known := before[v.ID]
		if !known {
			total++
		} else if e.KeepTitles {
			v.Title = old.Title
		}
		if known && v == old {
			continue
		}
		if known && (v.Amount != old.Amount || v.Currency != old.Currency) {
			s.Repriced = append(s.Repriced, v.ID)
		}
		ids, titles, amounts, currencies = append(ids, v.ID), append(titles, v.Title), append(amounts, v.Amount), append(currencies, v.Currency)
	}
	if total > MaxVariants {
		return ErrTooMany
	}
	if len(ids) == 0 {
		return nil
	}
	s.Changed = true
	tag, err := tx.Exec(ctx, `
		insert into variant as v (id, product, title, amount, currency, place)
		select w.id, $1, w.title, w.amount, w.currency, w.n + (select coalesce(max(place), -1) from variant where product = $1)
		from unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[]) with ordinality as w(id, title, amount, currency, n)
		on conflict (id) do update set title = excluded.title, amount = excluded.amount, currency = excluded.currency
		where v.product = excluded.product`, e.ID, ids, titles, amounts, currencies)
	if err != nil {
		return fmt.Errorf("save variants of %s: %w", e.ID, err)
	}
	if tag.RowsAffected() < int64(len(ids)) {
		return ErrNotYours
	}
	return nil
}

func (e *Edit) normalise() error {
	var ok bool
	var errs []error
	if e.ID.IsZero() || e.Owner.IsZero() {
		errs = append(errs, fmt.Errorf("product and owner: %w", commerce.ErrID))
	}
	if e.Title, ok = line(e.Title, MaxTitle); !ok || e.Title == "" {
		errs = append(errs, ErrTitle)
	}
	e.Description = strings.TrimSpace(e.Description)
	if !utf8.ValidString(e.Description) || strings.ContainsRune(e.Description, 0) || utf8.RuneCountInString(e.Description) > MaxDescription {
		errs = append(errs, ErrDescription)
	}
	if e.Image == "" {
		e.Image = PicturePath(e.Title)
	}
	if len(e.Image) > MaxImage || !imagePath.MatchString(e.Image) || strings.Contains(e.Image, "..") {
		errs = append(errs, ErrImage)
	}
	return errors.Join(append(errs, e.normaliseVariants())...)
}

func (e *Edit) normaliseVariants() error {
	switch {
	case len(e.Variants) == 0:
		return ErrVariants
	case len(e.Variants) > MaxVariants:
		return ErrTooMany
	}
	var (
		errs   []error
		list   = make([]Variant, 0, len(e.Variants)) // the caller's slice is left alone: a transaction may run again
		ids    = map[commerce.VariantID]bool{}
		titles = map[string]bool{}
	)
	for _, v := range e.Variants {
		var ok bool
		if v.ID.IsZero() {
			errs = append(errs, fmt.Errorf("variant: %w", commerce.ErrID))
		}
		if v.Title, ok = line(v.Title, MaxVariantTitle); !ok || !e.KeepTitles && len(e.Variants) > 1 && (v.Title == "" || titles[v.Title]) {
			errs = append(errs, ErrVariantTitle)
		}
		if v.Amount < MinAmount || v.Amount > MaxAmount || !currency.MatchString(v.Currency) {
			errs = append(errs, ErrPrice)
		}
		if ids[v.ID] {
			errs = append(errs, ErrVariants)
		}
		ids[v.ID], titles[v.Title] = true, true
		list = append(list, v)
	}
	e.Variants = list
	return errors.Join(errs...)
}

func line(s string, most int) (string, bool) {
	s = strings.TrimSpace(s)
	return s, utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}
