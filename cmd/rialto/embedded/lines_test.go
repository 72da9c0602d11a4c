package embedded

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for name, c := range map[string]struct {
		writes []string
		want   []string
	}{
		"nothing":            {nil, nil},
		"empty lines":        {[]string{"\n\n\r\n"}, nil},
		"pieces make a line": {[]string{"a", "b\nc", "\n"}, []string{"ab", "c"}},
		"no newline at last": {[]string{"a\nb"}, []string{"a", "b"}},
		"carriage return":    {[]string{"a\r\n"}, []string{"a"}},
		"not text":           {[]string{"a\xff\n"}, []string{"a?"}},
		"at the limit":       {[]string{long + "\n"}, []string{long}},
		"one past it":        {[]string{long + "x\nb\n"}, []string{long + lineCut, "b"}},
		"far past, pieces":   {[]string{long, long, long + "\nb\n"}, []string{long + lineCut, "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			l := newLines(func(line string) { got = append(got, line) })
			for _, text := range c.writes {
				if n, err := l.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatalf("Write: %d, %v", n, err)
				}
			}
			l.flush()
			if !slices.Equal(got, c.want) {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestLinesKeepsTheLast(t *testing.T) {
	l := newLines(func(string) {})
	if l.tail() != "" {
		t.Fatalf("a silent child said %q", l.tail())
	}
	for i := range keptLines + 1 {
		fmt.Fprintf(l, "line %d\n", i)
	}
	if tail := l.tail(); strings.Contains(tail, "line 0\n") || !strings.Contains(tail, "line 1\n") ||
		!strings.HasSuffix(tail, fmt.Sprintf("line %d", keptLines)) {
		t.Fatalf("kept %q", tail)
	}
}
