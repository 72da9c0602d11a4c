// Package delivery knows where goods can be sent, what that costs, and which tax is in it.
//
// # Overview
//
//	Address   where a parcel goes, checked and in one spelling
//	Zone      domestic, union or world, as seen from the shop's country
//	Quote     delivery, tax and total of goods that go to an address: what a page shows is what checkout charges
//
// Delivery costs one flat rate per zone and currency and order, however many units. Tax follows where the parcel goes:
// contained in what is shown (VAT: of goods and delivery) or added to it (sales tax: of goods alone). Rates and taxes
// are rows, filled with defaults by a migration; an operator changes them. They are no advice: who sells
// answers for their taxes.
//
// # Invariants
//
// total = goods + delivery, and the tax when it is added. A tax is at most what it is part of. Rounding is half to even,
// once per order. An order keeps the costs that it was made with: a rate that changes later changes no order.
//
// An address is personal: it is in the rows of its order and its account, and in nothing that is sent to others than
// its buyer and whoever sends the goods. It logs as its country alone.
//
// # Concurrency
//
// Nothing runs here.
//
// # Imports
//
// commerce (ids), money, schema.
package delivery
