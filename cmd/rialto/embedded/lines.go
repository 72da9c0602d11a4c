package embedded

import (
	"bytes"
	"strings"
	"sync"
)

const (
	maxLine   = 4 << 10 // bytes of one line of a child's output
	keptLines = 20      // last lines told in an error
	lineCut   = " … (cut)"
)

// lines splits a child's output into lines of bounded length, hands each to
// take and keeps the last few for error messages.
type lines struct {
	take func(string) // static

	// owned by the goroutine that copies the child's output
	part    []byte
	cutting bool // the rest of an over-long line is dropped up to its end

	mu   sync.Mutex
	last []string // guarded by mu
}

func newLines(take func(string)) *lines { return &lines{take: take} }

// Write never fails: a child must not die of what it says.
func (l *lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		head, rest, found := bytes.Cut(p, []byte{'\n'})
		l.add(head)
		if !found {
			return n, nil
		}
		l.flush()
		p = rest
	}
}

func (l *lines) add(p []byte) {
	if l.cutting {
		return
	}
	if room := maxLine - len(l.part); len(p) > room {
		l.part = append(append(l.part, p[:room]...), lineCut...)
		l.cutting = true
		return
	}
	l.part = append(l.part, p...)
}

// flush ends the current line; an empty one is not told.
func (l *lines) flush() {
	text := strings.ToValidUTF8(strings.TrimRight(string(l.part), "\r"), "?")
	l.part, l.cutting = l.part[:0], false
	if text == "" {
		return
	}
	l.mu.Lock()
	if len(l.last) == keptLines {
		l.last = append(l.last[:0], l.last[1:]...)
	}
	l.last = append(l.last, text)
	l.mu.Unlock()
	l.take(text)
}

// tail is the end of the output as a suffix for an error, or nothing.
func (l *lines) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.last) == 0 {
		return ""
	}
	return "; its last words:\n  " + strings.Join(l.last, "\n  ")
}
