package ws

import "time"

// bucket counts what a page does against what it may: burst at once, perSec
// lasting. Its zero value is full. There are three for each page, which is why
// they are small.
type bucket struct {
	used float32 // of burst, at the last look
	last int64   // that look, in Unix nanoseconds
}

// take takes n if there is so much, and says whether there was.
func (b *bucket) take(now time.Time, n, perSec, burst int) bool {
	at := now.UnixNano()
	// A clock that was set back gives nothing, and is counted from anew.
	passed := max(0, at-b.last)
	b.used = float32(max(0, float64(b.used)-float64(passed)/float64(time.Second)*float64(perSec)))
	b.last = at
	if b.used+float32(n) > float32(burst) {
		return false
	}
	b.used += float32(n)
	return true
}
