// Package bus carries events from whoever publishes them to the rooms of every
// node: over Redis, or inside one process.
//
// # Overview
//
// Publish numbers an event in its room, keeps it in a bounded history and
// tells the nodes, in one Lua script, once per event id. A feed gives a room
// its events in the order of their offsets. Pub/Sub may lose messages; offsets
// show it, and the history repairs it before the room hears anything. One page
// of it repairs a gap, however fast events come: what arrives while it is read
// is kept and follows it, and gaps that come meanwhile are read together.
//
// The last message before a silence can be lost as well. So each node asks a few
// times a second where its rooms stand, which reads no history. What Redis had
// at one look and a feed has not at the next was lost, and is read: a node knows
// of it within TailWithin.
//
// Each room has an epoch. It changes when Redis has lost the room's memory
// (FLUSHALL, a restart without its data) or tells another story than before (a
// restart with an older copy of its data); feeds then say NewsReset, and rooms
// take a fresh snapshot. The story is checked by event ids at every repair,
// after every lost connection and, as far as its end tells it, at every look.
//
// A cast (a chat line, hearts, a number of viewers) takes no part in this: it
// has no offset, it is lost on who cannot hear it, and it neither raises nor
// settles a doubt. What joiners should know of casts is remembered beside the
// history and told by Recent.
//
// Viewers are counted by each node for itself: Count leaves the node's share
// with the room, and the sum is cast when it has changed. A share lapses by
// the clock of Redis, so that a dead node's viewers do not stay.
//
// Control messages (close these connections) go to every node. They travel as
// a room of their own, so that a node whose link to Redis failed for a moment
// gets them late, but gets them.
//
// # Concurrency
//
//	goroutine  how many  started by  what it does
//	listen     1         Run         reads Pub/Sub, hands messages to feeds
//	repair     4         Run         reads histories for feeds that asked
//	check      1         Run         looks where Redis stands
//
// Locks: Redis.subs, then Redis.mu; feed.mu is a leaf.
//
// # Lifecycle
//
// New, then Run until its context ends; Subscribe waits for Run. The client
// belongs to the caller.
//
// # Invariants
//
//   - Offsets of a feed rise by one, except behind a NewsReset.
//   - After a connection was (re)made, no message is believed before the
//     history has been read over the place where the feed stood.
//   - A feed has one question under way at most. Whoever raises a doubt
//     meanwhile asks nothing: the answer is compared with all doubts.
//   - An event that was not delivered is either repaired or followed by a
//     NewsReset.
//   - Casts take no event's place in a feed: of too many, the oldest casts go.
//
// # Dependencies
//
// realtime, go-redis. Memory needs nothing.
package bus
