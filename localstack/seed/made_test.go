package seed_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// made are people of each kind that the generator makes.
func made() []seed.Person {
	list := seed.Demo()
	for n := range int64(200) {
		list = append(list, seed.Made("王小明", n+1, 100, 0), seed.Visitor(n*4_999_991), seed.Caller(int(n)*499, 100))
	}
	return list
}

// stored is what a bank holds of all customers, opened.
func stored(t *testing.T, people []seed.Person) []string {
	t.Helper()
	b := bank.New(t)
	var list []string
	for _, p := range people {
		c, err := b.Seeder().Add(t.Context(), p)
		check.Must(t, err)
		list = append(list, string(check.JSON(t, c)))
	}
	return append(list, check.Column[string](t, b.Host.DB.Pool(), `
SELECT concat_ws(' ', c.id, a.id, a.kind, a.no_masked, a.balance)
FROM account a LEFT JOIN customer c ON c.id = a.customer_id ORDER BY 1`)...)
}

// Running the generator again makes the same customers, accounts and balances, in the
// reserved ranges; and no test, demo or benchmark writes a customer that the generator
// has not made.
func TestTheGeneratorMakesAllCustomers(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-005.2")
	if diff := cmp.Diff(made(), made()); diff != "" {
		t.Errorf("another run makes other people:\n%s", diff)
	}
	for _, p := range made() {
		numbers := []string{p.Phone, p.IDNo}
		for _, a := range p.Accounts {
			numbers = append(numbers, a.No)
		}
		for _, number := range numbers {
			if what := seed.Outside(number); what != "" {
				t.Errorf("%s %s is outside of the reserved ranges", what, number)
			}
		}
	}
	few := append(seed.Demo(), seed.Made("王小明", 1, 100, 0), seed.Made("李四", 2), seed.Visitor(7), seed.Caller(9, 5))
	if diff := cmp.Diff(stored(t, few), stored(t, few)); diff != "" {
		t.Errorf("another run of the generator makes another bank:\n%s", diff)
	}
	walked := 0
	check.Must(t, filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && path != "../.." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "build") {
			return skip(err)
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" || filepath.ToSlash(path) == "../../localstack/seed/made.go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		walked++
		if err == nil && written(file) {
			t.Errorf("%s writes a customer by hand; let localstack/seed make it", path)
		}
		return err
	}))
	if walked < 300 {
		t.Errorf("only %d files were read", walked)
	}
}

// skip skips a folder unless there is an error.
func skip(err error) error {
	if err != nil {
		return err
	}
	return filepath.SkipDir
}

// written reports whether a file has a person or a stored customer with a number in it.
func written(file *ast.File) (found bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok || literal.Type == nil {
			return true
		}
		name := types.ExprString(literal.Type)
		if !slices.Contains([]string{"seed.Person", "customer.Record", "seed.Account"}, name) {
			return true
		}
		for _, e := range literal.Elts {
			pair, ok := e.(*ast.KeyValueExpr)
			if !ok {
				continue
			}
			if slices.Contains([]string{"Phone", "IDNo", "No"}, types.ExprString(pair.Key)) {
				found = found || !taken(pair.Value)
			}
		}
		return true
	})
	return found
}

// taken reports whether a value is taken from another one, and is no text of its own.
func taken(value ast.Expr) bool {
	switch value.(type) {
	case *ast.SelectorExpr, *ast.Ident:
		return true
	}
	return false
}

// The walk finds a person that is written by hand.
func TestAPersonWrittenByHandIsFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`seed.Person{Phone: "13800010001"}`:                   true,
		`customer.Record{IDNo: fmt.Sprintf("1101%d", n)}`:     true,
		`seed.Person{Accounts: []seed.Account{{No: "6228"}}}`: false, // an account without its type; its person has a number
		`seed.Account{No: "6228"}`:                            true,
		`seed.Person{Phone: other.Phone}`:                     false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n\nvar x = "+text, 0)
		check.Must(t, err)
		if got := written(file); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
