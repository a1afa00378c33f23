package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/conformance/catalogue"
	"github.com/tidebank/tidebank/test/req"
)

// claiming is a function in a test's source that calls req.Covers.
type claiming struct {
	name  string // its file and the test
	ids   []string
	fails bool // whether it can report a failure
}

// claimingTests are those of a file.
func claimingTests(path string, file *ast.File) []claiming {
	var list []claiming
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		c := claiming{name: path + ": " + f.Name.Name}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				c.take(call)
			}
			return true
		})
		if len(c.ids) > 0 {
			list = append(list, c)
		}
	}
	return list
}

// take looks at a call: whether it claims, or can report a failure, either by
// itself or because a helper gets the test.
func (c *claiming) take(call *ast.CallExpr) {
	name := types.ExprString(call.Fun)
	if name == "req.Covers" {
		for _, arg := range call.Args[1:] {
			if literal, ok := arg.(*ast.BasicLit); ok {
				id, _ := strconv.Unquote(literal.Value)
				c.ids = append(c.ids, id)
			}
		}
		return
	}
	method := name[strings.LastIndex(name, ".")+1:]
	reports := slices.Contains([]string{"Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow"}, method)
	helped := slices.ContainsFunc(call.Args, func(arg ast.Expr) bool { return types.ExprString(arg) == "t" })
	c.fails = c.fails || reports || helped
}

// A wrong id is found here without a run of all tests.
func TestClaimsInTheSource(t *testing.T) {
	t.Parallel()
	requirements, err := catalogue.Load("../..")
	check.Must(t, err)
	known := catalogue.PointIDs(requirements)
	var list []claiming
	err = filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && path != "../.."
		if entry.IsDir() && (hidden || entry.Name() == "testdata" || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			list = append(list, claimingTests(path, file)...)
		}
		return err
	})
	check.Must(t, err)
	for _, c := range req.AtLeast(t, 60, list) {
		for _, id := range c.ids {
			if !known[id] {
				t.Errorf("%s claims %s, which the catalogue does not have", c.name, id)
			}
		}
		if !c.fails {
			t.Errorf("%s claims %v and cannot fail", c.name, c.ids)
		}
	}
}

func TestClaimsAreFoundInTheSource(t *testing.T) {
	t.Parallel()
	const source = `package p
func TestBare(t *testing.T) { t.Parallel(); req.Covers(t, "A-001.1"); do() }
func TestAsserts(t *testing.T) { req.Covers(t, "A-001.2", "A-001.3"); if bad() { t.Errorf("bad") } }
func TestHelped(t *testing.T) { t.Run("x", func(t *testing.T) { req.Covers(t, "A-001.4"); must(t) }) }
func TestNone(t *testing.T) { t.Error() }
`
	file, err := parser.ParseFile(token.NewFileSet(), "p_test.go", source, 0)
	check.Must(t, err)
	var got []string
	for _, c := range claimingTests("p", file) {
		got = append(got, c.name+" "+strings.Join(c.ids, ",")+" "+strconv.FormatBool(c.fails))
	}
	want := []string{"p: TestBare A-001.1 false", "p: TestAsserts A-001.2,A-001.3 true", "p: TestHelped A-001.4 true"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
