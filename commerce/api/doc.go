// Package api is commerce over HTTP: JSON under /api/v1, described by /api/v1/openapi.json.
//
// # Overview
//
// New makes an API, Handler is mounted by the program at /api/v1/. Each part registers its operations in a
// file of its own (register.go lists the parts). An operation is a thin thing: who asks, one workflow of
// commerce in one transaction, the answer. Errors of commerce become RFC 9457 problems in one table per part
// (problem.go); whatever is in no table is a 500 whose cause is logged, never shown.
//
// What belongs to other areas comes in as functions of Config (the URL where a show is published). One operation is
// asked for in rooms too: PutHold judges a tap that came over a socket as putHold does those that come over HTTP.
//
// Taps come by the thousand: putHold, when it is written as pages write it, is read, judged and answered by quick.go, with
// what is told in the same words, and known.go remembers for half a second who taps.
//
// # Who asks
//
// Identify reads the session cookie, then the guest cookie. A guest cookie is made by GET /me and by whatever
// a guest does first. Browsers send both on their own, so http.CrossOriginProtection refuses writes that
// come from other sites.
//
// # Asking twice
//
// Whatever makes something can be asked for again without making it twice. Mostly the client makes the id (shows,
// products, holds, orders, accounts), and repeating the id is the same. An operation whose id we choose is marked
// Once: it needs an Idempotency-Key, and a repetition gets the first answer (idempotency.go). The other POSTs need
// no key: signing out and ending a show are the same twice; a ticket is signed and kept nowhere; a session and a
// stream key are secrets, which we do not keep in a form that could be repeated, so asking again makes a new one,
// which replaces the one whose answer was lost.
//
// # Concurrency
//
// No goroutines of its own; handlers run in the HTTP server's, PutHold in its caller's.
//
// # Invariants
//
// Every answer that is not 2xx is application/problem+json with a stable code, also those of the router and of
// the validator. Answers about a person are never stored by caches. A body over its limit is 413.
//
// # Imports
//
// All of commerce; huma; net/http.
package api
