package load

import (
	"errors"
	"fmt"
	"net/url"
)

// target says what is wrong with the --url of a crowd. missing is what stands there when there is none.
func target(address, missing string, anywhere bool, schemes ...string) error {
	if address == "" {
		return errors.New("--url is missing: " + missing)
	}
	at, err := url.Parse(address)
	if err == nil {
		err = Near(at, anywhere, schemes...)
	}
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	return nil
}

// bound is what a number of a crowd may be.
type bound struct {
	name           string
	v, least, most int
}

// outside says which numbers are not within their bounds.
func outside(bounds ...bound) (errs []error) {
	for _, b := range bounds {
		if b.v < b.least || b.v > b.most {
			errs = append(errs, fmt.Errorf("--%s is %d to %d, not %d", b.name, b.least, b.most, b.v))
		}
	}
	return errs
}
