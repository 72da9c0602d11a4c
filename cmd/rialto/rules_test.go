package main

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The rules of the house, kept by a test so that they need no memory: who may
// import whom, how large a file and a function may grow, and that each package
// says in doc.go what it is for.

const (
	modulePath      = "github.com/rialto-live/rialto"
	maxFileLines    = 400
	maxTestLines    = 600
	maxFunctionSpan = 70
	maxMainLines    = 80
	maxReadmeLines  = 150
)

// source is one parsed Go file of the tree.
type source struct {
	path    string // slash-separated, from the top of the repository
	dir     string
	test    bool
	lines   int
	file    *ast.File
	fset    *token.FileSet
	imports []string
}

func TestHouseRules(t *testing.T) {
	root := filepath.Join("..", "..")
	sources := parseTree(t, os.DirFS(root))
	for _, violation := range checkTree(sources) {
		t.Error(violation)
	}
	for _, violation := range checkTopLevel(t, root) {
		t.Error(violation)
	}
}

// TestRulesCanFail plants one breach of each rule, so that a rule that stopped
// looking would be noticed.
func TestRulesCanFail(t *testing.T) {
	long := "package x\n" + strings.Repeat("// line\n", maxFileLines+1)
	tall := "package x\nfunc f() {\n" + strings.Repeat("\tg()\n", maxFunctionSpan+1) + "}\nfunc g() {}\n"
	imports := func(of string) string { return fmt.Sprintf("package x\nimport _ %q\n", of) }
	for name, breach := range map[string]struct{ path, text string }{
		"areas stay apart":            {"media/x.go", imports(modulePath + "/commerce/stock")},
		"root imports no sub-package": {"realtime/x.go", imports(modulePath + "/realtime/ws")},
		"commerce layers":             {"commerce/account/x.go", imports(modulePath + "/commerce/checkout")},
		"pion stays in peer":          {"media/whip/x.go", imports("github.com/pion/webrtc/v4")},
		"gorilla stays in ws":         {"commerce/api/x.go", imports("github.com/gorilla/websocket")},
		"pgx stays in commerce":       {"realtime/bus/x.go", imports("github.com/jackc/pgx/v5")},
		"redis stays in stock":        {"commerce/order/x.go", imports("github.com/redis/go-redis/v9")},
		"http stays at the edge":      {"commerce/show/x.go", imports("net/http")},
		"test packages stay in tests": {"media/peer/x.go", imports(modulePath + "/media/mediatest")},
		"environment is read once":    {"media/peer/x.go", "package x\nimport \"os\"\nvar _ = os.Getenv(\"A\")\n"},
		"file size":                   {"media/x.go", long},
		"function size":               {"media/x.go", tall},
		"no rooms without a name":     {"commerce/util/x.go", "package util\n"},
		"each package has a doc.go":   {"media/lone/x.go", "package lone\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := parseSource(t, breach.path, []byte(breach.text))
			if len(checkTree([]source{s})) == 0 {
				t.Fatalf("%s: the breach was not seen", breach.path)
			}
		})
	}
}

func checkTree(sources []source) []string {
	var found []string
	documented := map[string]bool{}
	for _, s := range sources {
		if path.Base(s.path) == "doc.go" {
			documented[s.dir] = true
		}
	}
	for _, s := range sources {
		found = append(found, checkSize(s)...)
		found = append(found, checkImports(s)...)
		found = append(found, checkEnvironment(s)...)
		if banned := []string{"util", "utils", "common", "helpers", "misc"}; slices.Contains(banned, path.Base(s.dir)) {
			found = append(found, fmt.Sprintf("%s: a package is named after what it holds, not %q", s.path, path.Base(s.dir)))
		}
		if !s.test && !documented[s.dir] && !strings.HasPrefix(s.dir, "web/app") {
			found = append(found, fmt.Sprintf("%s: the package has no doc.go", s.dir))
			documented[s.dir] = true
		}
	}
	return found
}

func checkSize(s source) []string {
	var found []string
	limit := maxFileLines
	if s.test {
		limit = maxTestLines
	}
	if s.path == "cmd/rialto/main.go" {
		limit = maxMainLines
	}
	if s.lines > limit {
		found = append(found, fmt.Sprintf("%s: %d lines, at most %d", s.path, s.lines, limit))
	}
	for _, decl := range s.file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		span := s.fset.Position(f.Body.Rbrace).Line - s.fset.Position(f.Pos()).Line + 1 - tableLines(s.fset, f)
		if span > maxFunctionSpan {
			found = append(found, fmt.Sprintf("%s: func %s spans %d lines, at most %d", s.path, f.Name.Name, span, maxFunctionSpan))
		}
	}
	return found
}

// tableLines counts the lines of a function's outermost literal tables, which
// may be as long as what they list.
func tableLines(fset *token.FileSet, f *ast.FuncDecl) int {
	total := 0
	ast.Inspect(f.Body, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		switch lit.Type.(type) {
		case *ast.ArrayType, *ast.MapType:
			total += fset.Position(lit.Rbrace).Line - fset.Position(lit.Lbrace).Line
			return false
		}
		return true
	})
	return total
}

func checkEnvironment(s source) []string {
	// The second is in no program that people run.
	if s.test || s.path == "cmd/rialto/config.go" || s.path == "cmd/rialto/crashpoints.go" {
		return nil
	}
	var found []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		call, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "os" &&
			slices.Contains([]string{"Getenv", "LookupEnv"}, call.Sel.Name) {
			found = append(found, fmt.Sprintf("%s: only cmd/rialto/config.go reads the environment", s.path))
		}
		return true
	})
	return found
}

func checkTopLevel(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"cmd", "media", "realtime", "commerce", "web", "deploy", "go.mod", "go.sum", "README.md", "Makefile", "LICENSE", "CHANGELOG.md", "bin"}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			found = append(found, fmt.Sprintf("%s: not a part of the top level", e.Name()))
		}
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		return append(found, "README.md is missing")
	}
	if n := bytes.Count(readme, []byte("\n")); n > maxReadmeLines {
		found = append(found, fmt.Sprintf("README.md: %d lines, at most %d", n, maxReadmeLines))
	}
	return append(found, checkWebSizes(t, filepath.Join(root, "web"))...)
}

// checkWebSizes holds the pages to the same file budget as Go.
func checkWebSizes(t *testing.T, web string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(web, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{"node_modules", "static", "test-results"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		limit := maxFileLines
		if strings.HasSuffix(p, ".spec.ts") {
			limit = maxTestLines
		}
		if !slices.Contains([]string{".ts", ".tsx", ".css"}, filepath.Ext(p)) || strings.HasSuffix(p, ".gen.ts") { // nobody reads what is generated
			return nil
		}
		if n := countLines(t, p); n > limit {
			found = append(found, fmt.Sprintf("%s: %d lines, at most %d", p, n, limit))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func countLines(t *testing.T, name string) int {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for scan := bufio.NewScanner(f); scan.Scan(); {
		n++
	}
	return n
}

func parseTree(t *testing.T, tree fs.FS) []source {
	t.Helper()
	var sources []source
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(p) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, p)
		if err != nil {
			return err
		}
		sources = append(sources, parseSource(t, p, text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

func parseSource(t *testing.T, name string, text []byte) source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	s := source{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), lines: bytes.Count(text, []byte("\n")), file: file, fset: fset}
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		s.imports = append(s.imports, p)
	}
	return s
}
