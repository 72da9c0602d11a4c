// Package chat is what the people in a show say to each other: lines of text,
// and hearts.
//
// # Overview
//
// Call answers the calls of pages. chat.say cleans a text, asks whether its
// author and its room may be heard once more, and casts it as a sampled event
// that joiners are shown too. hearts.send only adds to a number: what a room's
// hearts add up to in a moment is cast at once, so that ten thousand people who
// are happy cost what one does.
//
// There are three fences, one behind the other. An author has a burst of lines
// and then a pace. A room takes so many lines per window from one node, half of
// which only host, moderators and buyers may use. And where several nodes
// together say more than people can read, realtime's sampling thins it. The
// first two are told to the page, so that nobody talks into the void; they are
// counted by each node for itself: a person who opens sockets on three nodes
// has three bursts, which is worth no round trip per line.
//
// # Rules and commands
//
// Who is in charge of a room lays down rules: slow mode, and who says nothing
// for a while. They are read through a port and remembered per room, until an
// order (Reread) or RulesEvery says that they may have changed. Rules that
// cannot be read stand as they were. A text that begins with / is a command: it
// is handed to a port, and no line comes of it.
//
// # Concurrency
//
// Call may be called by anybody. Run is the only goroutine: it casts hearts.
// One mutex guards everything; no cast happens under it.
//
// # Lifecycle
//
// New, then Run until its context ends. Hearts of the last moment are lost
// then.
//
// # Invariants
//
//   - The id of a line follows from its room, its author and the id of the call,
//     so that a call that is made again is the same line, also while the first
//     is still being cast.
//   - A line that could not be cast costs its author nothing.
//   - Memory is bounded: MaxAuthors and MaxRooms are remembered, the ones heard
//     last; who is forgotten starts with a fresh burst.
//
// # Dependencies
//
// realtime; golang.org/x/text for the one spelling of a text.
package chat
