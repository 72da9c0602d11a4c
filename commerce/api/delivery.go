package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/order"
)

// countriesCache is short enough that a later version's list is seen the same day.
const countriesCache = "public, max-age=3600"

// addressBody is an address as people write it. In a request it is judged, in an answer it has its one spelling.
type addressBody struct {
	Name     string `json:"name" doc:"Who receives it; at most 120 characters"`
	Line1    string `json:"line1" doc:"Street and number; at most 120 characters"`
	Line2    string `json:"line2" doc:"\"\", or at most 120 characters"`
	City     string `json:"city" doc:"At most 80 characters"`
	Region   string `json:"region" doc:"Code of a state or province, without the country: needed where deliveryCountries lists regions, else it may be \"\"" example:"CA"`
	Postcode string `json:"postcode" doc:"\"\" where there are none"`
	Country  string `json:"country" doc:"ISO 3166-1 alpha-2" example:"IT"`
}

type taxBody struct {
	Amount   amountBody `json:"amount"`
	RateBP   float64    `json:"rate_bp" doc:"Hundredths of a percent; some taxes have a half of one" example:"2200"`
	Included bool       `json:"included" doc:"Part of goods and delivery; else added to them"`
	Name     string     `json:"name" doc:"For people; \"\" when there is none" example:"VAT 22 %"`
}

type costsBody struct {
	Goods    amountBody    `json:"goods"`
	Delivery amountBody    `json:"delivery"`
	Tax      taxBody       `json:"tax"`
	Total    amountBody    `json:"total" doc:"Goods, delivery, and the tax when it is not included: what is charged"`
	Zone     delivery.Zone `json:"zone" enum:"domestic,union,world"`
}

// costsOf writes costs. Orders of before zones were told count as domestic: they cost goods alone.
func costsOf(c delivery.Costs) costsBody {
	return costsBody{
		Goods: amountOf(c.Goods), Delivery: amountOf(c.Delivery), Total: amountOf(c.Total), Zone: cmp.Or(c.Zone, delivery.Domestic),
		Tax: taxBody{Amount: amountOf(c.Tax.Amount), RateBP: c.Tax.Rate.BasisPoints(), Included: c.Tax.Included, Name: c.Tax.Name()},
	}
}

func deliveryOf(o order.Order) *addressBody {
	if o.Delivery == nil {
		return nil
	}
	body := addressBody(*o.Delivery)
	return &body
}

type regionBody struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

type countryBody struct {
	Code    string        `json:"code"`
	Regions *[]regionBody `json:"regions" doc:"null where no region is needed"`
}

type countriesOutput struct {
	Cache string `header:"Cache-Control"`
	Body  struct {
		Countries []countryBody `json:"countries" doc:"Where goods can be sent. Their names are the reader's language's business"`
		Home      string        `json:"home" doc:"The country that the shop sends from"`
	}
}

type costsOutput struct{ Body costsBody }

type keptAddressOutput struct {
	Body struct {
		Address *addressBody `json:"address" doc:"null when none is kept"`
	}
}

func (a *API) registerDelivery() {
	a.translate(
		translation{is: delivery.ErrUnavailable, make: says(http.StatusUnprocessableEntity, "delivery_unavailable", "We do not send this there. Choose another country.")},
		translation{is: checkout.ErrTotal, make: totalChanged},
		translation{is: money.ErrRange, make: says(http.StatusUnprocessableEntity, "amount_too_large", "This is more than can be paid at once. Take fewer.")},
	)
	register(a, operation{
		ID: "deliveryCountries", Method: http.MethodGet, Path: "/delivery/countries", Tag: tagSale, Public: true, Summary: "Where goods can be sent",
	}, func(context.Context, *struct{}) (*countriesOutput, error) {
		out := &countriesOutput{Cache: countriesCache}
		out.Body.Home = a.config.Sale.Checkout.Home
		for _, c := range delivery.Countries() {
			body := countryBody{Code: c.Code}
			if len(c.Regions) > 0 {
				regions := make([]regionBody, 0, len(c.Regions))
				for _, r := range c.Regions {
					regions = append(regions, regionBody(r))
				}
				body.Regions = &regions
			}
			out.Body.Countries = append(out.Body.Countries, body)
		}
		return out, nil
	})
	register(a, operation{
		ID: "getHoldCosts", Method: http.MethodGet, Path: "/holds/{hold}/costs", Tag: tagSale, Summary: "What one of my holds would cost, sent there",
		Codes: []string{"hold_unknown", "hold_expired", "delivery_unavailable", "region_needed", "amount_too_large"},
	}, func(ctx context.Context, in *struct {
		HoldPath
		Country string `query:"country" required:"true" maxLength:"2" doc:"ISO 3166-1 alpha-2"`
		Region  string `query:"region" maxLength:"3" doc:"Needed where deliveryCountries lists regions"`
	}) (*costsOutput, error) {
		who, err := a.who(ctx)
		if err != nil {
			return nil, err
		}
		costs, err := a.config.Sale.Checkout.Costs(ctx, in.Hold, who.Subject, delivery.Address{
			Country: strings.ToUpper(in.Country), Region: strings.ToUpper(in.Region),
		})
		if err != nil {
			return nil, err
		}
		return &costsOutput{Body: costsOf(costs)}, nil
	})
}

// registerAddress adds the one address that an account may keep.
func (a *API) registerAddress() {
	a.translate(
		translation{is: delivery.ErrRegion, make: regionNeeded},
		translation{is: delivery.ErrAddress, make: addressInvalid},
	)
	register(a, operation{
		ID: "getAddress", Method: http.MethodGet, Path: "/me/address", Tag: tagPeople, Summary: "The address that I keep", Codes: []string{"signed_out"},
	}, func(ctx context.Context, _ *struct{}) (*keptAddressOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		out := &keptAddressOutput{}
		kept, ok, err := delivery.Saved(ctx, a.config.Pool, who.Account.ID)
		if ok {
			body := addressBody(kept)
			out.Body.Address = &body
		}
		return out, err
	})
	register(a, operation{
		ID: "putAddress", Method: http.MethodPut, Path: "/me/address", Tag: tagPeople, Summary: "Keep an address for what I buy; it replaces the one before",
		Body: maxPayBody, Rule: editRule, Codes: []string{"signed_out", "address_invalid", "region_needed"},
	}, func(ctx context.Context, in *struct{ Body addressBody }) (*keptAddressOutput, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		address, err := delivery.Address(in.Body).Check()
		if err != nil {
			return nil, err
		}
		err = a.inTx(ctx, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
			return delivery.Save(ctx, tx, who.Account.ID, address)
		})
		out, body := &keptAddressOutput{}, addressBody(address)
		out.Body.Address = &body
		return out, err
	})
	register(a, operation{
		ID: "deleteAddress", Method: http.MethodDelete, Path: "/me/address", Tag: tagPeople, Status: http.StatusNoContent,
		Summary: "Forget the address that I keep; twice is once", Codes: []string{"signed_out"},
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		who, err := a.signedIn(ctx)
		if err != nil {
			return nil, err
		}
		return nil, a.inTx(ctx, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
			return delivery.Forget(ctx, tx, who.Account.ID)
		})
	})
}

func addressInvalid(err error) *Problem {
	p := problem(http.StatusUnprocessableEntity, "address_invalid", "Something in the address cannot be right; see what is said beside it.")
	return withFields(p, err)
}

func regionNeeded(err error) *Problem {
	p := problem(http.StatusUnprocessableEntity, "region_needed", sentence(delivery.ErrRegion.Error()))
	return withFields(p, err)
}

// withFields says which member of an address is meant.
func withFields(p *Problem, err error) *Problem {
	var fields delivery.FieldErrors
	if errors.As(err, &fields) {
		p.with("fields", map[string]string(fields))
	}
	return p
}

// totalChanged tells a page what it must show before anybody pays.
func totalChanged(err error) *Problem {
	p := problem(http.StatusConflict, "total_changed", "The total has just changed. Nothing was charged; look at it again, then pay.")
	var e *checkout.CostsError
	if errors.As(err, &e) {
		p.with("costs", costsOf(e.Costs))
	}
	return p
}
