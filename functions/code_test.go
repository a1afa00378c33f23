package functions_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/req"
)

const modulePath = "github.com/tidebank/tidebank/"

// imports are the packages that a file imports.
func imports(file *ast.File) []string {
	var list []string
	for _, spec := range file.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		list = append(list, name)
	}
	return list
}

// importNothing fails the test for each import that matches.
func importNothing(t *testing.T, files map[string]*ast.File, bad *regexp.Regexp) {
	t.Helper()
	for path, file := range files {
		for _, imported := range imports(file) {
			if bad.MatchString(imported) {
				t.Errorf("%s imports %s", path, imported)
			}
		}
	}
}

// reached are the files of the module's packages that the functions' own programs
// are made of.
func reached(t *testing.T) map[string]*ast.File {
	t.Helper()
	byFolder := map[string][]string{}
	for name := range sources(t) {
		folder := strings.TrimPrefix(path.Dir(name), "../")
		byFolder[folder] = append(byFolder[folder], name)
	}
	files, seen := map[string]*ast.File{}, map[string]bool{}
	var follow func(folder string)
	follow = func(folder string) {
		if seen[folder] {
			return
		}
		seen[folder] = true
		for _, name := range byFolder[folder] {
			files[name] = sources(t)[name]
			for _, imported := range imports(files[name]) {
				if inner, ours := strings.CutPrefix(imported, modulePath); ours {
					follow(inner)
				}
			}
		}
	}
	programs := 0
	for folder := range byFolder {
		if strings.HasPrefix(folder, "infra/mains/") {
			follow(folder)
			programs++
		}
	}
	if programs < 20 || len(seen) < 60 || len(files) < 110 {
		t.Fatalf("%d programs of %d packages and %d files were read", programs, len(seen), len(files))
	}
	return files
}

// No program of a function can run a command, load code or become another program.
func TestFunctionsRunNoCommands(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-010.1")
	runs := regexp.MustCompile(`^(syscall|unix)\.(Exec|ForkExec|StartProcess)$|^os\.StartProcess$`)
	importNothing(t, reached(t), regexp.MustCompile(`^(os/exec|plugin|unsafe|C)$`))
	inspect(reached(t), func(path string, n ast.Node) {
		if use, ok := n.(*ast.SelectorExpr); ok && runs.MatchString(types.ExprString(use)) {
			t.Errorf("%s uses %s", path, types.ExprString(use))
		}
	})
}

// No program of a function reads XML, so that there is no reader to mislead.
func TestFunctionsReadNoXML(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-009.1", "INPUT-009.2")
	importNothing(t, reached(t), regexp.MustCompile(`xml`))
}

// sqlText reads SQL through the source: it follows an expression to the constants it
// is made of.
type sqlText struct {
	files     map[string]*ast.File
	constants map[string]bool // "folder name"
}

// readSQL reads the module's own code that talks to the database while the bank
// runs.
func readSQL(t *testing.T) sqlText {
	t.Helper()
	s := sqlText{map[string]*ast.File{}, map[string]bool{}}
	for name, file := range sources(t) {
		if !regexp.MustCompile(`^\.\./(functions|shared|events)/`).MatchString(name) || strings.Contains(name, "/pgtest/") {
			continue
		}
		s.files[name] = file
		for _, c := range constantsOf(file) {
			s.constants[path.Dir(name)+" "+c] = true
		}
	}
	if len(s.files) < 100 || len(s.constants) < 200 {
		t.Fatalf("%d files and %d constants were read", len(s.files), len(s.constants))
	}
	return s
}

// SQL is written down as constants. Nothing that a program learns while it runs
// becomes part of it, but for the numbers of placeholders where calls travel together.
func TestSQLIsConstant(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-008.2")
	s := readSQL(t)
	asks := map[string]int{"Query": 1, "QueryRow": 1, "Exec": 1, "Prepare": 2, "Queue": 0, "Trim": 1, "Listen": 1}
	seen := 0
	for name, file := range s.files {
		if name == "../shared/pg/reader.go" || name == "../shared/pg/tx.go" || name == "../shared/pg/listen.go" {
			continue // they pass on SQL of their callers, which this test checks
		}
		for _, declaration := range file.Decls {
			within, _ := declaration.(*ast.FuncDecl)
			ast.Inspect(declaration, func(n ast.Node) bool {
				var sql ast.Expr
				switch n := n.(type) {
				case *ast.CallExpr:
					method, ok := n.Fun.(*ast.SelectorExpr)
					if !ok {
						return true
					}
					if at, asked := asks[method.Sel.Name]; asked && len(n.Args) > at && isSQLCall(method) {
						sql = n.Args[at]
					}
				case *ast.KeyValueExpr:
					if key := types.ExprString(n.Key); key == "SQL" || key == "Rows" || key == "Call" {
						sql = n.Value
					}
				}
				if sql != nil {
					seen++
					if !s.constant(name, within, sql, 0) {
						t.Errorf("%s: %s is no constant", name, types.ExprString(sql))
					}
				}
				return true
			})
		}
	}
	if seen < 80 {
		t.Fatalf("only %d places of SQL were read", seen)
	}
}

// isSQLCall leaves out functions of the same name that take no SQL: fn.Query, and
// those of types that queue their own statements on a batch.
func isSQLCall(method *ast.SelectorExpr) bool {
	if types.ExprString(method.X) == "fn" {
		return false
	}
	return method.Sel.Name != "Queue" || strings.HasSuffix(strings.ToLower(types.ExprString(method.X)), "batch")
}

// constantsOf are the names of a file's constants.
func constantsOf(file *ast.File) []string {
	var list []string
	ast.Inspect(file, func(n ast.Node) bool {
		if declaration, ok := n.(*ast.GenDecl); ok && declaration.Tok == token.CONST {
			for _, spec := range declaration.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					list = append(list, name.Name)
				}
			}
		}
		return true
	})
	return list
}

// constant reports whether an expression in a function of a file contains only
// constants. A parameter counts as constant if each call passes a constant. A variable
// counts as constant if the function assigns only constants to it.
func (s sqlText) constant(file string, within *ast.FuncDecl, e ast.Expr, depth int) bool {
	if depth > 6 {
		return false
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind == token.STRING
	case *ast.Ident:
		if s.constants[path.Dir(file)+" "+e.Name] {
			return true
		}
		assigned, known := s.assigned(file, within, e.Name, depth)
		passed, found := s.passed(within, e.Name, depth)
		return (known || found) && assigned && passed
	case *ast.SelectorExpr:
		if name := e.Sel.Name; name == "SQL" || name == "Rows" || name == "Call" {
			return true // of a statement; its literal is checked in its own place
		}
		for name := range s.constants {
			if strings.HasSuffix(name, "/"+types.ExprString(e.X)+" "+e.Sel.Name) {
				return true
			}
		}
	case *ast.BinaryExpr:
		// No variables here: the tests of tables read the text of each concatenation.
		return e.Op == token.ADD && s.constant(file, nil, e.X, depth+1) && s.constant(file, nil, e.Y, depth+1)
	}
	return false
}

// assigned looks at all that a function assigns to a variable. The one text that is
// put together is pg's: names of the bank's SQL functions and numbered placeholders.
func (s sqlText) assigned(file string, within *ast.FuncDecl, name string, depth int) (constant, found bool) {
	constant = true
	if within == nil {
		return true, false
	}
	ast.Inspect(within.Body, func(n ast.Node) bool {
		assign, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, left := range assign.Lhs {
			if types.ExprString(left) != name {
				continue
			}
			found = true
			if assign.Tok == token.ADD_ASSIGN {
				constant = false // the tests of tables read each constant by itself
			}
			right := assign.Rhs[min(i, len(assign.Rhs)-1)]
			if text := types.ExprString(right); file == "../shared/pg/unit.go" && text == "s.text()" ||
				file == "../shared/pg/tx.go" && strings.HasSuffix(text, ".text()") {
				continue
			}
			constant = constant && s.constant(file, within, right, depth+1)
		}
		return true
	})
	return constant, found
}

// passed looks at all calls of the function that has the parameter.
func (s sqlText) passed(within *ast.FuncDecl, name string, depth int) (constant, found bool) {
	constant = true
	if within == nil {
		return true, false
	}
	at, position := 0, -1
	for _, list := range within.Type.Params.List {
		for _, param := range list.Names {
			if param.Name == name {
				position = at
			}
			at++
		}
	}
	if position < 0 {
		return true, false
	}
	calls := 0
	for file, parsed := range s.files {
		for _, declaration := range parsed.Decls {
			caller, _ := declaration.(*ast.FuncDecl)
			ast.Inspect(declaration, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != at {
					return true
				}
				called := types.ExprString(call.Fun)
				if called == within.Name.Name || strings.HasSuffix(called, "."+within.Name.Name) {
					calls++
					constant = constant && s.constant(file, caller, call.Args[position], depth+1)
				}
				return true
			})
		}
	}
	return constant, calls > 0
}
