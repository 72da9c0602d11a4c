package realtime

import "time"

const (
	// greetingLasts is how long a joined message is given to others, too. Its
	// clock is behind by as much at most; pages set theirs by pings.
	greetingLasts = 20 * time.Millisecond
	// maxGreetings is how many places to go on from are greeted alike at a time:
	// when a node dies, its viewers had come to the same few.
	maxGreetings = 32
)

// greetings are the joined messages of the last moment for those who resume.
// When an audience comes at once, one message is made for many, and its bytes
// are there once.
type greetings [maxGreetings]greeting

type greeting struct {
	at           Position
	made         time.Time
	list, recent []byte // what it was made of
	message      *message
}

// of is the joined message for somebody who goes on from at.
func (g *greetings) of(at Position, list, recent []byte, now time.Time) *message {
	slot := &g[uint64(at.Offset)%maxGreetings]
	age := now.Sub(slot.made)
	if slot.message != nil && slot.at == at && age >= 0 && age < greetingLasts &&
		same(slot.list, list) && same(slot.recent, recent) {
		return slot.message
	}
	*slot = greeting{at, now, list, recent, newMessage(joinedText(at, now.UnixMilli(), true, list, recent))}
	return slot.message
}

// forget lets go of what is too old to be given to anybody.
func (g *greetings) forget(now time.Time) {
	for i := range g {
		if age := now.Sub(g[i].made); age < 0 || age >= greetingLasts {
			g[i] = greeting{}
		}
	}
}

// same says whether a and b are one piece of memory. What is in them does not
// change, so that they then say the same.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
