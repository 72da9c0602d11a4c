// Package paymenttest holds what every payment company must do for us: one suite, run on each implementation of
// payment.Provider.
//
// # Overview
//
//	paymenttest.Run(t, func(t *testing.T) paymenttest.Company { … })
//
// A Company is the provider under test with what the suite needs of the other side: fresh tokens, the buyer at
// the bank's page, the company's own books, and a Wire in front of its server that can be made to fail. Each test
// gets a Company of its own.
//
// # Invariants
//
// What happened to the money is read from the company's books (Company.Held), never only from answers. A promise
// is tested from both sides: the call that must work, and the one that must not.
//
// # Concurrency
//
// Nothing runs here but the tests.
//
// # Imports
//
// commerce (ids), money, schema, schematest, payment. Only tests may import it.
package paymenttest
