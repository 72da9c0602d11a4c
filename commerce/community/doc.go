// Package community owns who may take part in a show, and the durable side of the talk in it: bans and time-outs, slow
// mode, the announcement, lines that were taken back, questions, polls, and the audit log of what those in charge did.
// Those in charge are the show's creator, its moderators, and operators.
//
// # Overview
//
// Impose and Lift work in the caller's transaction, on a show that the caller has locked and may moderate.
// Imposing orders every node to end the person's open connections (outbox control). Check is asked at every
// door: watching, the room, a hold.
//
// A ban names a subject. A guest can come back as another guest; what that costs them is their place, their
// hold and the rate limits of their address.
//
// Whatever those in charge do works in the caller's transaction, on a show that the caller has locked; it judges them
// itself, and writes one row of the audit log. Time-outs and slow mode order the chats of all nodes to read the rules
// again (outbox control); what the room is to know goes out as events.
//
// Asking takes the lock of the talk (a row of its own, so that nobody who asks waits for the creator or makes them wait);
// the same words join the open question that is there. Voting for a question locks that question alone. Whoever moves
// two questions (Merge) has locked the talk.
//
// A vote in a poll is one row, cast under a shared lock of the poll. Whoever closes the poll locks it alone, so that its
// last tally is every vote that was taken. Meanwhile the Keeper of any node tells how it stands, twice a second at most
// over all nodes, when there are new votes.
//
// # Concurrency
//
// Keeper.Run, one per node, started and awaited by the program: it tells of polls, closes those whose time is over (by
// the clock of Postgres), and forgets time-outs. Nothing is lost when it dies: the next one looks at the same rows.
// Locks are taken in this order: shows by their ids, talk, question or poll, outbox_stream. lines.gone names everybody, so
// it is read and written on a locked show alone; the Keeper leaves a show that is locked to its next look.
//
// # Invariants
//
// A person votes once in a poll, and counts once for a question, also after questions were merged. A closed poll and
// an answered question take no more votes, and an ended show none but those under way. Of open questions of one show no two have the same words.
// Moderators cannot silence or ban the creator, operators or each other, nor ban from other shows than theirs; one who is
// silenced does not keep order meanwhile. What was taken back with a ban or a time-out stays so when that ends. A command
// of the chat box that is sent again within the hour is not done again (Once). The audit log is only added to.
//
// # Imports
//
// commerce (ids), schema, outbox, cursor, account, show.
package community
