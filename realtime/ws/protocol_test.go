package ws_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/chat"
	"github.com/rialto-live/rialto/realtime/ws"
)

// The tables of protocol.md say what the code does.

// table returns the cells of the table under a heading, without its head.
func table(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	for line := range strings.Lines(part(t, heading)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.Trim(strings.TrimSpace(cell), "`"))
		}
		rows = append(rows, cells)
	}
	if len(rows) < 2 {
		t.Fatalf("no table under %q", heading)
	}
	return rows[1:]
}

func part(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("protocol.md has no part %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// sourcesOf joins the files of a pattern, without their tests.
func sourcesOf(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	var all strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(code)
	}
	return all.String()
}

func TestProtocolCloseCodes(t *testing.T) {
	var want, got []string
	for _, c := range realtime.Codes() {
		again := map[bool]string{true: "yes", false: "no"}[c.Reconnect]
		want = append(want, fmt.Sprintf("%d %s %s", c.Code, c.Name, again))
	}
	for _, row := range table(t, "Closing") {
		got = append(got, strings.Join(row[:3], " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("protocol.md:\n%s\nthe code:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestProtocolLimits(t *testing.T) {
	want := map[string]any{
		"one message of a page, bytes":                      ws.MaxMessage,
		"messages of a page per second, lasting":            ws.MessagesPerSec,
		"messages of a page at once":                        ws.MessageBurst,
		"bytes of a page per second, lasting":               ws.BytesPerSec,
		"bytes of a page at once":                           ws.BytesBurst,
		"seconds until the page has joined":                 int(ws.JoinTimeout.Seconds()),
		"pages let in per second and core of the server":    fmt.Sprintf("%d, %d more at once", ws.JoinsPerCore, ws.JoinBurst),
		"milliseconds that a page waits for its turn":       ws.MaxJoinWait.Milliseconds(),
		"pages per core that have not joined yet":           ws.MaxUnjoined,
		"pages let in from one address per second, lasting": ws.AddressJoinsPerSec,
		"pages let in from one address at once":             ws.AddressJoinBurst,
		"pages of one address that have not joined yet":     ws.AddressUnjoined,
		"data of one event, bytes":                          realtime.MaxEventBytes,
		"snapshot, bytes":                                   realtime.MaxStateBytes,
		"keys of a room's state":                            realtime.MaxStateKeys,
		"snapshots for being slow, per minute":              realtime.MaxJumps,

		"characters of a call's id":                  realtime.MaxCallID,
		"seconds until a call is answered":           int(ws.CallTimeout.Seconds()),
		"characters of a line of chat":               chat.MaxText,
		"characters of a command":                    chat.MaxCommand,
		"lines of a person at once":                  chat.LineBurst,
		"seconds between lines of a person, lasting": int(chat.LineEvery.Seconds()),
		fmt.Sprintf("lines of a room from one node, per %d ms", chat.RoomWindow.Milliseconds()): fmt.Sprintf(
			"%d, of these %d reserved", chat.RoomLines, chat.RoomReserved),
		"hearts in a call":                          chat.MaxHearts,
		"hearts of a person at once":                chat.HeartBurst,
		"hearts of a person per second, lasting":    int(time.Second / chat.HeartEvery),
		"sampled events shown in a room per second": realtime.SampledPerSecond,
		"sampled events remembered for joiners":     realtime.MaxRecent,
		"data of one sampled event, bytes":          realtime.MaxSampledBytes,
	}
	rows := table(t, "Limits")
	if len(rows) != len(want) {
		t.Errorf("%d limits are written down, want %d", len(rows), len(want))
	}
	for _, row := range rows {
		if value, known := want[row[0]]; !known || fmt.Sprint(value) != row[1] {
			t.Errorf("%q is %s, want %v", row[0], row[1], value)
		}
	}
}

// Which calls there are is the program's to say, and to compare.
func TestProtocolCalls(t *testing.T) {
	for _, code := range []string{realtime.CallInvalid, realtime.CallUnavailable} {
		if !strings.Contains(part(t, "Calls"), "`"+code+"`") {
			t.Errorf("protocol.md does not speak of %s", code)
		}
	}
}

// TestProtocolMessages compares the types that are written down with what the
// sources build and understand.
func TestProtocolMessages(t *testing.T) {
	for heading, source := range map[string]struct{ files, pattern string }{
		"What the server sends": {"../*.go", `\{"t":"([a-z]+)"`},
		"What a page may send":  {"page.go", `(?:case |m.Type != )"([a-z]+)"`},
	} {
		code := sourcesOf(t, source.files)
		var built, written []string
		for _, m := range regexp.MustCompile(source.pattern).FindAllStringSubmatch(code, -1) {
			if !slices.Contains(built, m[1]) && !strings.Contains(m[0], "…") {
				built = append(built, m[1])
			}
		}
		for _, row := range table(t, heading) {
			if row[0] != "any other" {
				written = append(written, row[0])
			}
		}
		slices.Sort(built)
		slices.Sort(written)
		if !slices.Equal(built, written) {
			t.Errorf("%s: written %v, built %v", heading, written, built)
		}
	}
}
