package commerce_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// museumRows is how many failures are shown at least: none is taken away in passing.
const museumRows = 15

// exhibit is a row of museum.md: where it is told, as its tests name it, and those.
type exhibit struct {
	told  []string // "#543", or the first word where there is no number
	tests []string // "stock.TestX"
}

var (
	storyNumber = regexp.MustCompile(`#\d+`)
	storyInText = regexp.MustCompile(`[A-Za-z][\w/-]* (#\d+(?:, #\d+)*)`)
)

// Each row of museum.md names tests that are there, and whose comments are about it; and what such comments tell of is
// in a row.
func TestMuseum(t *testing.T) {
	text, err := os.ReadFile("museum.md")
	if err != nil {
		t.Fatal(err)
	}
	comments := testComments(t)
	if len(comments) < 100 {
		t.Fatalf("%d tests were found", len(comments))
	}
	if rows := exhibits(string(text)); len(rows) < museumRows {
		t.Errorf("%d rows, of %d", len(rows), museumRows)
	}
	for _, wrong := range museumErrors(string(text), comments) {
		t.Error(wrong)
	}
}

// A page that is wrong in any of these ways would be noticed.
func TestMuseumCanBeWrong(t *testing.T) {
	comments := map[string]string{"a.TestOne": "saleor #1, #2: once.", "a.TestTwo": "Seckill projects sell twice.", "a.TestThree": "Nothing else."}
	page := func(rows ...string) string { return "| Upstream |\n|---|\n" + strings.Join(rows, "\n") }
	one, two := "| saleor #1, #2 | x | y | a.TestOne |", "| seckill projects | x | y | a.TestTwo |"
	if wrong := museumErrors(page(one, two), comments); len(wrong) != 0 {
		t.Errorf("a page that is right: %q", wrong)
	}
	for name, rows := range map[string][]string{
		"no test":                          {one, two, "| redis locks | x | y | |"},
		"a test that is not there":         {one, two, "| redis locks | x | y | a.TestGone |"},
		"a test about something else":      {one, two, "| redis locks | x | y | a.TestThree |"},
		"one test too many":                {one, "| seckill projects | x | y | a.TestTwo, a.TestThree |"},
		"a number that no test names":      {"| saleor #1, #2, #3 | x | y | a.TestOne |", two},
		"a story that is not in the table": {two},
		"a row that is cut short":          {one, two, "| redis locks | a.TestTwo |"},
	} {
		if wrong := museumErrors(page(rows...), comments); len(wrong) != 1 {
			t.Errorf("%s: %q", name, wrong)
		}
	}
}

// exhibits reads the table; a row that cannot be read has no tests.
func exhibits(page string) (rows []exhibit) {
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| Upstream") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		e := exhibit{told: storyNumber.FindAllString(cells[0], -1)}
		if len(e.told) == 0 {
			first, _, _ := strings.Cut(strings.TrimSpace(cells[0]), " ")
			e.told = []string{first}
		}
		if len(cells) == 4 {
			e.tests = strings.FieldsFunc(cells[3], func(r rune) bool { return r == ' ' || r == ',' })
		}
		rows = append(rows, e)
	}
	return rows
}

func museumErrors(page string, comments map[string]string) (wrong []string) {
	shown := map[string]bool{}
	for _, e := range exhibits(page) {
		missing := slices.Clone(e.told)
		for _, test := range e.tests {
			comment, ok := comments[test]
			if !ok {
				wrong = append(wrong, fmt.Sprintf("%v: there is no %s", e.told, test))
				missing = nil
				continue
			}
			left := slices.DeleteFunc(slices.Clone(e.told), func(story string) bool { return tells(comment, story) })
			if len(left) == len(e.told) {
				wrong = append(wrong, fmt.Sprintf("%v: the comment of %s is about something else", e.told, test))
				missing = nil
			}
			missing = slices.DeleteFunc(missing, func(story string) bool { return !slices.Contains(left, story) })
		}
		if len(e.tests) == 0 || len(missing) > 0 {
			wrong = append(wrong, fmt.Sprintf("%v: no test is about %v", e.told, missing))
		}
		for _, story := range e.told {
			shown[story] = true
		}
	}
	for test, comment := range comments {
		for _, found := range storyInText.FindAllStringSubmatch(comment, -1) {
			for _, number := range storyNumber.FindAllString(found[1], -1) {
				if !shown[number] {
					wrong = append(wrong, fmt.Sprintf("%s tells of %s, which is not in the museum", test, found[0]))
					return wrong
				}
			}
		}
	}
	return wrong
}

// tells is whether a comment is about a story: by its number as a whole, or by its word.
func tells(comment, story string) bool {
	return regexp.MustCompile(`(?i)(?:^|\W)` + regexp.QuoteMeta(story) + `(?:\W|$)`).MatchString(comment)
}

// testComments are those of all tests of commerce, by "package.Test".
func testComments(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				comments[filepath.Base(filepath.Dir(name))+"."+f.Name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
		}
	}
	return comments
}
