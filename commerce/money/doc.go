// Package money holds amounts: an integer count of a currency's minor unit, never a fraction of it.
//
// # Invariants
//
// Two currencies are never added or compared. Arithmetic that would leave the range of ±Max fails instead of
// wrapping. Splitting an amount loses and invents nothing: the parts always sum to the whole.
//
// # Concurrency
//
// Values only; nothing runs here.
//
// # Imports
//
// The standard library.
package money
