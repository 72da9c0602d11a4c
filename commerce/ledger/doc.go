// Package ledger keeps whose money is where, by double entry.
//
// # Overview
//
// A transaction has two or more sides; each adds to or takes from one account. Accounts are names
// ("creator:acc_…:payable", "provider:sandbox:receivable", "tax:IT:payable"); they need no opening. Balances are derived,
// nowhere stored.
//
// # Invariants
//
// Every transaction sums to zero (a CHECK), so everything does. A transaction is one row: it is never half
// written. Nothing is changed or deleted (a trigger): a mistake is corrected by its reverse. A ref is one
// transaction: posting it again with the same sides does nothing, with others fails.
//
// # Concurrency
//
// Nothing runs here.
//
// # Imports
//
// commerce (ids), money, schema.
package ledger
