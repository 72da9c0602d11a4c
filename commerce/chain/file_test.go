package chain

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/commerce"
)

// thing makes the n-th id of a kind, always the same.
func thing[ID ~[16]byte](n int) (id ID) {
	id[14], id[15] = byte(n>>8), byte(n)
	return id
}

// move is a step of a story: a kind, where from, where to, of which holds (none: units of the pool's own).
type move struct {
	kind, origin, target string
	units                int64
	holds                []commerce.HoldID
}

// story is a sale with everything in it: more holds at once than a line has, and the hold 7 from its making to its sale.
func story() []move {
	var crowd []commerce.HoldID
	for n := range MaxPerLine + 5 {
		crowd = append(crowd, thing[commerce.HoldID](1000+n))
	}
	seven, eight := thing[commerce.HoldID](7), thing[commerce.HoldID](8)
	return []move{
		{"supply", "supply", "available", 600, nil},
		{"hold", "available", "held", 3, []commerce.HoldID{seven, eight}},
		{"pay", "held", "paying", 2, []commerce.HoldID{seven}},
		{"hold", "available", "held", int64(len(crowd)), crowd},
		{"sell", "paying", "sold", 2, []commerce.HoldID{seven}},
		{"expire", "held", "available", int64(len(crowd)), crowd},
		{"withdraw", "available", "supply", 97, nil},
		{"release", "held", "available", 1, []commerce.HoldID{eight}},
	}
}

// tell writes a story as a file.
func tell(tb testing.TB, moves []move) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := writer{bufio.NewWriter(&out)}
	pool, end := thing[commerce.PoolID](1), Head{}
	err := w.line(line{Chain: &opening{Format, pool}})
	for i, m := range moves {
		hashes := hashHolds(m.holds)
		r := Row{At: fmt.Sprintf("2026-01-02T03:04:05.%06dZ", i), Kind: m.kind, Origin: m.origin, Target: m.target, Units: m.units, Holds: len(hashes), Commitment: commit(hashes)}
		end = end.append(pool, &r)
		err = errors.Join(err, w.row(r, hashes))
	}
	if err := errors.Join(err, w.line(line{End: &end}), w.w.Flush()); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func linesOf(file []byte) []string {
	return strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
}

// wrong checks a file and answers its first bad line, 0 for none, and why.
func wrong(tb testing.TB, file string) (int, string) {
	tb.Helper()
	_, err := Check(tb.Context(), strings.NewReader(file), commerce.HoldID{})
	var bad *LineError
	if err != nil && !errors.As(err, &bad) {
		tb.Fatal(err)
	}
	if bad == nil {
		return 0, ""
	}
	return bad.Line, bad.Why
}

// The form that is kept in testdata never changes: files that people have must be good for ever.
func TestTheFormatStays(t *testing.T) {
	file := tell(t, story())
	const name = "testdata/chain.jsonl"
	kept, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(file, kept) {
		t.Fatalf("it is written otherwise than %s: %v", name, err)
	}
	// By hand, as doc.go has it.
	hash := func(text string) string { sum := sha256.Sum256([]byte(text)); return hex.EncodeToString(sum[:]) }
	row := func(n int) (r Row) {
		for _, text := range linesOf(kept) {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			if l.Row != nil && l.Row.N == int64(n) {
				r = *l.Row
			}
		}
		return r
	}
	first := hash("rialto-chain-1 " + strings.Repeat("0", 64) + " pol_00000000000000000000000000000001 1 2026-01-02T03:04:05.000000Z supply supply available 600 0 " + hash(""))
	holds := []string{hash("hld_00000000000000000000000000000007"), hash("hld_00000000000000000000000000000008")}
	slices.Sort(holds)
	second := hash("rialto-chain-1 " + first + " pol_00000000000000000000000000000001 2 2026-01-02T03:04:05.000001Z hold available held 3 2 " + hash(holds[0]+"\n"+holds[1]+"\n"))
	if row(1).Hash.String() != first || row(2).Hash.String() != second {
		t.Errorf("hashes %s and %s, by hand %s and %s", row(1).Hash, row(2).Hash, first, second)
	}
}

func TestAWholeFileIsRight(t *testing.T) {
	file := tell(t, story())
	r, err := Check(t.Context(), bytes.NewReader(file), thing[commerce.HoldID](7))
	want := Totals{Allocated: 503, Available: 501, Held: 0, Sold: 2}
	if err != nil || r.Pool != thing[commerce.PoolID](1) || r.N != 8 || r.Totals != want || r.Lines != len(linesOf(file)) {
		t.Errorf("%+v, %v", r, err)
	}
	var steps []string
	for _, row := range r.Found {
		steps = append(steps, row.Kind)
	}
	if !slices.Equal(steps, []string{"hold", "pay", "sell"}) {
		t.Errorf("the hold is in %v", steps)
	}
	if r, err := Check(t.Context(), bytes.NewReader(file), thing[commerce.HoldID](9)); err != nil || len(r.Found) != 0 {
		t.Errorf("another hold is in %v, %v", r.Found, err)
	}
	if at, why := wrong(t, string(tell(t, nil))); at != 0 {
		t.Errorf("a pool that nothing happened to: line %d: %s", at, why)
	}
}

// Each member of each line, changed alone, is found: in that line, or in the one that it no longer fits.
func TestOneAlteredMemberIsFound(t *testing.T) {
	all := story()
	lines := linesOf(tell(t, slices.Concat(all[:3], all[4:5], all[6:]))) // without the crowd
	for i, text := range lines {
		var outer map[string]any
		if err := json.Unmarshal([]byte(text), &outer); err != nil {
			t.Fatal(err)
		}
		for kind, inner := range outer {
			members, ok := inner.(map[string]any)
			if !ok {
				continue
			}
			for member, value := range members {
				old, _ := json.Marshal(value)
				for _, now := range alter(value) {
					changed, _ := json.Marshal(now)
					from, to := fmt.Sprintf("%q:%s", member, old), fmt.Sprintf("%q:%s", member, changed)
					if strings.Count(text, from) != 1 {
						t.Fatalf("%s stands not once in %s", from, text)
					}
					file := slices.Clone(lines)
					file[i] = strings.Replace(text, from, to, 1)
					at, why := wrong(t, strings.Join(file, "\n"))
					// The pool is in each row's hash, so the first row shows it.
					if want := i + 1; at != want && !(kind == "chain" && at == want+1) {
						t.Errorf("%s instead of %s in line %d: found in line %d (%s)", to, from, want, at, why)
					}
				}
			}
		}
	}
}

// alter makes other values of a kind; of a text, ones that still are words of it.
func alter(value any) []any {
	switch v := value.(type) {
	case float64:
		return []any{v + 1, v - 1, -v - 1}
	case string:
		var others []any
		for _, other := range slices.Concat(Kinds, Buckets, []string{"", "2026-01-02T03:04:05.999999Z", "2026-01-02T03:04:05Z", strings.ToUpper(v), v + " ", strings.Repeat("0", 64), "pol_00000000000000000000000000000009"}) {
			if other != v {
				others = append(others, other)
			}
		}
		return others
	}
	return nil
}

func TestWhatIsNotWholeIsFound(t *testing.T) {
	lines := linesOf(tell(t, story()))
	at := func(what string) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, what) })
	}
	row := func(n int) int { return at(fmt.Sprintf(`"n":%d,"at"`, n)) }
	cut := func(from, to int) []string { return slices.Concat(lines[:from], lines[to:]) }
	swapped := func(a, b int) []string {
		file := slices.Clone(lines)
		file[a], file[b] = file[b], file[a]
		return file
	}
	with := func(i int, text ...string) []string { return slices.Concat(lines[:i], text, lines[i:]) }
	instead := func(i int, from, to string) []string {
		file := slices.Clone(lines)
		if file[i] = strings.Replace(file[i], from, to, 1); file[i] == lines[i] {
			t.Fatalf("line %d has no %s", i+1, from)
		}
		return file
	}
	end := len(lines) - 1
	for name, c := range map[string]struct {
		file []string
		line int
		why  string
	}{
		"a missing row":                {cut(row(1), row(2)), row(1) + 1, "row 2 stands where row 1 belongs"},
		"a missing row with its holds": {cut(row(3), row(4)), row(3) + 1, "row 4 stands where row 3 belongs"},
		"the last row missing":         {cut(row(8), end), row(8) + 1, "it ends with row 8"},
		"a row twice":                  {with(row(2), lines[row(1)]), row(2) + 1, "row 1 stands where row 2 belongs"},
		"rows in another order":        {slices.Concat(lines[:row(7)], lines[row(8):end], lines[row(7):row(8)], lines[end:]), row(7) + 1, "row 8 stands where row 7 belongs"},
		"holds in another row":         {swapped(row(3)+1, row(5)+1), 0, ""}, // both are of hold 7 alone: the same line
		"holds of another row":         {swapped(row(2)+1, row(3)+1), row(2) + 2, "1 holds stand where 2 of row 2 belong"},
		"holds missing":                {cut(row(3)+1, row(3)+2), row(3) + 2, "1 holds of row 3 are missing"},
		"some holds missing":           {cut(row(4)+2, row(4)+3), row(4) + 3, "5 holds of row 4 are missing"},
		"holds where there are none":   {with(row(1)+1, lines[row(3)+1]), row(1) + 2, "0 of row 1 belong"},
		"another hold":                 {instead(row(3)+1, `["`+HashHold(thing[commerce.HoldID](7)).String(), `["`+HashHold(thing[commerce.HoldID](9)).String()), row(3) + 2, "not those that it is committed to"},
		"holds in another order":       {instead(row(2)+1, lines[row(2)+1], reversed(lines[row(2)+1])), row(2) + 2, "not in order"},
		"cut off":                      {lines[:end], end + 1, "cut off"},
		"cut off in a line":            {append(slices.Clone(lines[:end-1]), lines[end-1][:40]), end, "not a line"},
		"empty":                        {nil, 1, ""},
		"no first line":                {lines[1:], 1, "names the pool"},
		"two first lines":              {with(1, lines[0]), 2, "names the pool"},
		"two ends":                     {with(end, lines[end]), end + 2, "goes on"},
		"another format":               {instead(0, Format, "rialto-chain-2"), 1, "format"},
		"a line of nothing":            {with(2, "{}"), 3, "says nothing"},
		"an empty line":                {with(3, ""), 4, "not a line"},
		"a member twice":               {instead(row(1), `"units":600`, `"units":5,"units":600`), row(1) + 1, "form"},
		"a member in capitals":         {instead(row(1), `"units"`, `"Units"`), row(1) + 1, "form"},
		"a member that nobody knows":   {instead(row(1), `"units"`, `"note":"all is well","units"`), row(1) + 1, "form"},
		"spaces":                       {instead(row(1), `"units":`, `"units": `), row(1) + 1, "form"},
		"two objects in a line":        {instead(row(1), lines[row(1)], lines[row(1)]+lines[row(1)]), row(1) + 1, "not a line"},
		"a long line":                  {with(3, strings.Repeat("x", MaxLine+1)), 4, "longer"},
	} {
		if line, why := wrong(t, strings.Join(c.file, "\n")); line != c.line || !strings.Contains(why, c.why) {
			t.Errorf("%s: line %d (%s), want %d (%s)", name, line, why, c.line, c.why)
		}
	}
}

// reversed turns the hashes of a line of two around.
func reversed(text string) string {
	var l line
	_ = json.Unmarshal([]byte(text), &l)
	slices.Reverse(l.Holds)
	again, _ := json.Marshal(l)
	return string(again)
}

// A file whose hashes are all right can still say what cannot be.
func TestSumsAreJudged(t *testing.T) {
	seven := []commerce.HoldID{thing[commerce.HoldID](7)}
	supply := move{"supply", "supply", "available", 2, nil}
	for name, c := range map[string]struct {
		moves []move
		why   string
	}{
		"more held than there are":     {[]move{supply, {"hold", "available", "held", 3, seven}}, "less than nothing available"},
		"sold before it was paid":      {[]move{supply, {"sell", "paying", "sold", 1, seven}}, "less than nothing paying"},
		"given back before it is held": {[]move{supply, {"release", "held", "available", 1, seven}}, "less than nothing held"},
		"taken back twice":             {[]move{supply, {"edit", "sold", "available", 1, seven}}, "less than nothing sold"},
		"less than none in all":        {[]move{{"withdraw", "available", "supply", 1, nil}}, "less than nothing allocated"},
		"more than can be":             {[]move{{"supply", "supply", "available", maxUnits, nil}, {"supply", "supply", "available", 1, nil}}, "more units than can be"},
		"as many as can be":            {[]move{{"supply", "supply", "available", maxUnits, nil}}, ""},
		"more holds than units":        {[]move{supply, {"hold", "available", "held", 1, append(seven, thing[commerce.HoldID](8))}}, "more holds than units"},
		"nothing":                      {[]move{{"supply", "supply", "available", 0, nil}}, "number of units"},
		"to where it was":              {[]move{{"edit", "sold", "sold", 1, nil}}, "one bucket to another"},
		"two words for one":            {[]move{{"supply", "supply", "available 1", 1, nil}}, "one bucket to another"},
		"a kind that nobody knows":     {[]move{{"gift", "supply", "available", 1, nil}}, "kind"},
	} {
		if line, why := wrong(t, string(tell(t, c.moves))); !strings.Contains(why, c.why) || (c.why == "") != (line == 0) {
			t.Errorf("%s: line %d (%s), want %q", name, line, why, c.why)
		}
	}
}

// Whatever is read: no panic, and what is found right is right to the last byte.
func FuzzCheck(f *testing.F) {
	whole := tell(f, story()[:3])
	f.Add(whole, 5, byte(1))
	f.Add(tell(f, nil), 40, byte('0'))
	f.Add(whole[:len(whole)/2], 0, byte(0))
	for i := range linesOf(whole) {
		f.Add([]byte(strings.Join(slices.Delete(linesOf(whole), i, i+1), "\n")), 100*i, byte(2))
	}
	f.Fuzz(func(t *testing.T, file []byte, at int, flip byte) {
		if line, _ := wrong(t, string(file)); line != 0 || len(file) == 0 {
			return
		}
		at = int(uint(at) % uint(len(file)))
		if file[at] == '\n' || flip == 0 {
			return // a line may end with its file, and in more than one way
		}
		other := bytes.Clone(file)
		other[at] ^= flip
		if line, _ := wrong(t, string(other)); line == 0 && !bytes.Equal(bytes.TrimRight(other, "\r\n"), bytes.TrimRight(file, "\r\n")) {
			// The pool of a chain without rows is nowhere but in its first line.
			if len(linesOf(file)) > 2 {
				t.Errorf("byte %d is %q instead of %q, and nobody minds", at, other[at], file[at])
			}
		}
	})
}
