// Package catalog owns what can be sold: products, their variants (the exact sellable things) and prices.
//
// # Overview
//
// Save writes a product with its first variant in the caller's transaction. Units are not known here (stock),
// nor which show sells what (show's run sheet). A price is a whole number of minor units and a currency.
//
// # Concurrency
//
// No goroutines, no state.
//
// # Invariants
//
// A product belongs to one account for ever. A variant belongs to one product for ever.
//
// # Imports
//
// commerce (ids), schema, outbox (the form of events).
package catalog
