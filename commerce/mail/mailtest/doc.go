// Package mailtest runs a real mail server for a test: Debian's Exim, with a configuration of its own, in a folder of its
// own, on a free port of the loopback. It touches nothing of a mail server that the machine may have.
//
// # Overview
//
// New prepares a Server, Start and Stop run it and end it, Received reads what it has delivered. Who
// starts it need not be root. It ends with the test, also when the test binary is killed.
//
// # People
//
//	nobody@   is not known: 550
//	later@    is told to come again (450) until Know is called, as greylisting does
//	all else  at Domain gets their mail
//
// # Imports
//
// The standard library. Only tests may import it.
package mailtest
