// Package catalog owns what can be sold: products, their variants (the exact sellable things) and prices.
//
// # Overview
//
// Save writes a product with its variants in the caller's transaction. Units are not known here (stock),
// nor which show sells what (show's run sheet). A price is a whole number of minor units and a currency.
//
// A product shows a picture: an uploaded one (NewPicture judges its bytes), or one of our drawings.
//
// # Concurrency
//
// No goroutines, no state.
//
// # Invariants
//
// A product belongs to one account for ever. A variant belongs to one product for ever. Prices of one product
// change one edit after the other. The name of an uploaded picture is the hash of its bytes.
//
// # Imports
//
// commerce (ids), schema, cursor, outbox (the form of events); golang.org/x/image.
package catalog
