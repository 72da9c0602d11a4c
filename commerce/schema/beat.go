package schema

// Usable is SQL: the transaction's time, or, while it is not yet known for how long Postgres was away, the last moment at
// which it is known to have been there (table beat). What lapses is judged by it, so that nothing lapses in the instant
// between the end of an outage and the extension of the deadlines. It is evaluated once a statement and looks one row up.
// Where nobody writes beats it is now().
const Usable = `coalesce(` + lastUsed + `, now())`

// UsableClock is Usable for what is read: the clock's time at the moment of reading.
const UsableClock = `coalesce(` + lastUsed + `, clock_timestamp())`

const lastUsed = `(select b.at from beat b where b.one and now() - b.at > b.gap)`
