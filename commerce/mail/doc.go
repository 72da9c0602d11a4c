// Package mail carries words to people's mailboxes.
//
// # Overview
//
// A Letter is what is said: a heading, paragraphs, rows of a bill, one button. It becomes a Message (subject, plain
// text, HTML in one layout of ours) when it is sent, and a Mailer takes that away:
//
//	SMTP      a mail server, by SMTP_URL
//	Mailbox   a table, for `rialto dev`: the newest MailboxSize messages, read on a page
//	None      nothing is sent here; whoever would write asks Service.On first
//
// A mail is always an outbox effect. Whoever has something to say writes the effect in the transaction that makes it
// true, and its handler reads the facts, makes the Letter and calls Service.Send. So no mail speaks of what was undone, and
// a mail server that is away holds up nobody.
//
// # Failures
//
// Service.Send says to the outbox what to do: a recipient whom the server refuses for good (ErrRefused) parks the
// effect, with the server's words for the person who looks; everything else (no connection, a sign-in that fails, "try
// again later") is tried again until GiveUp after the effect was written. A program that is killed between the server's
// "250" and its own note of it sends the mail a second time, with the same Message-ID: mail programs show one.
//
// # Concurrency
//
// No goroutines that outlive a call. Everything may be called from many at once.
//
// # Invariants
//
// No mail is sent inside a transaction. A password of a mail server is part of no error and no log. No header holds a line
// break that somebody typed.
//
// # Imports
//
// commerce (ids), schema, outbox, crash; go-mail for SMTP.
package mail
