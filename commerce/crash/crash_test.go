package crash

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// places finds every call of Here outside of this package, by its name.
func places(t *testing.T, roots ...string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if of, ok := call.Fun.(*ast.SelectorExpr); !ok || of.Sel.Name != "Here" {
					return true
				} else if pkg, ok := of.X.(*ast.Ident); !ok || pkg.Name != "crash" {
					return true
				}
				at := fset.Position(call.Pos()).String()
				literal, ok := call.Args[0].(*ast.BasicLit)
				if !ok {
					t.Errorf("%s: the name of a place is written out", at)
					return true
				}
				name, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Errorf("%s: %v", at, err)
				}
				found[name] = append(found[name], at)
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func TestNamesAreThePlacesOfTheCode(t *testing.T) {
	found := places(t, "..", filepath.Join("..", "..", "cmd"))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if Names[name] == "" {
			t.Errorf("%s is not in Names: %v", name, found[name])
		}
		if len(found[name]) > 1 {
			t.Errorf("%s stands at more than one place: %v", name, found[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(Names)) {
		if found[name] == nil {
			t.Errorf("%s is in Names, and nowhere in the code", name)
		}
	}
}

// In the program that people run a place is nothing.
func TestHereIsNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Here("checkout.begun") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
