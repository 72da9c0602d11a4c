// Package account owns people with a password: accounts, their roles, and their sessions.
//
// # Overview
//
// SignUp and SignIn make a session: 256 random bits that only the browser has; the table keeps their SHA-256.
// Every sign-in makes a new secret, whatever the browser sent, so nobody can plant one (session fixation).
// Session finds the account of a secret and lets a session in use live on. SignOut, SignOutAll and
// ChangePassword end sessions and write the outbox controls that end their open connections on every node.
//
// Passwords are hashed with argon2id by a Hasher that runs few at a time and lets few wait: each takes 19 MiB,
// and a storm of sign-ins must not take the memory of the sale. An unknown e-mail costs the same work as a
// known one.
//
// # A forgotten password
//
// AskReset writes the effect "mail.reset"; its handler makes the link when the mail is made, so that no row ever holds
// a key to an account. The link's token is signed, and bound to the account and to the password that it replaces: it
// dies with its use, with every other change, and after ResetLife. An address without an account costs the same
// statements and rows, and its effect ends in nothing: neither answer nor time tells who has an account. Every change of a
// password is told by mail to whom it belongs.
//
// # Concurrency
//
// No goroutines. Everything may be called from many at once.
//
// # Invariants
//
// An e-mail address (normalised) belongs to one account. The role operator is given by the program's
// admin command alone. A password or a session's secret is never stored, logged or part of an error.
//
// # Imports
//
// commerce (ids), schema, outbox, guard (tokens), mail.
package account
