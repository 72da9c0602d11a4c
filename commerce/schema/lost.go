package schema

import "time"

// Lost is time that nobody could use, by Postgres' clock. Whoever waited through it gets it back, at most Cap.
type Lost struct {
	Began, Ended time.Time
	Cap          time.Duration
}

// Most is how far a deadline moves that was there all the time.
func (l Lost) Most() time.Duration { return max(0, min(l.Ended.Sub(l.Began), l.Cap)) }
