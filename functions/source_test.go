package functions_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tidebank/tidebank/test/check"
)

// sources are the module's own files, without tests, by path.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files, err := parsed()
	if err != nil || len(files) < 100 {
		t.Fatalf("%d files were read: %v", len(files), err)
	}
	return files
}

// parsed reads the files once for all tests.
var parsed = sync.OnceValues(func() (map[string]*ast.File, error) {
	files := map[string]*ast.File{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != ".." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || isModule(path)) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files[filepath.ToSlash(path)], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		return err
	})
	return files, err
})

// isModule reports whether a folder is a module of its own: a tool, no part of the bank's
// programs.
func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

// inspect calls visit with each node of each file.
func inspect(files map[string]*ast.File, visit func(path string, n ast.Node)) {
	for path, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			visit(path, n)
			return true
		})
	}
}

// texts are a file's string literals, unquoted.
func texts(f *ast.File) []string {
	var list []string
	ast.Inspect(f, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				list = append(list, text)
			}
		}
		return true
	})
	return list
}

func TestCatalogueAndSourcesNameTheSameCodes(t *testing.T) {
	t.Parallel()
	files := sources(t)
	const home = "../shared/bankerr/catalogue.go"
	form := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)+$`)
	catalogue := map[string]bool{}
	for _, text := range texts(files[home]) {
		if form.MatchString(text) {
			catalogue[text] = true
		}
	}
	if len(catalogue) < 30 {
		t.Fatalf("only %d codes were read", len(catalogue))
	}
	used, declared := map[string]bool{}, map[string]string{}
	quoted := regexp.MustCompile(`"([A-Z]+(?:_[A-Z]+)+)"`)
	for path, file := range files {
		if path == home || path == "../shared/bankerr/english.go" {
			continue
		}
		for _, text := range texts(file) {
			used[text] = true
			for _, code := range quoted.FindAllStringSubmatch(text, -1) { // a problem written out
				used[code[1]] = true
			}
		}
		for _, code := range newCodes(file) {
			if where, ok := declared[code]; ok {
				t.Errorf("%s is declared in %s and %s", code, where, path)
			}
			declared[code] = path
		}
	}
	for code := range catalogue {
		if !used[code] {
			t.Errorf("%s has a text, and no source file names it", code)
		}
	}
	for code, path := range declared {
		if !catalogue[code] || !form.MatchString(code) {
			t.Errorf("%s of %s has no text in the catalogue", code, path)
		}
	}
}

// newCodes are the codes that a file declares by bankerr.New.
func newCodes(file *ast.File) []string {
	var list []string
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return true
		}
		name := types.ExprString(call.Fun)
		literal, isText := call.Args[1].(*ast.BasicLit)
		if isText && (name == "bankerr.New" || name == "New" && file.Name.Name == "bankerr") {
			code, _ := strconv.Unquote(literal.Value)
			list = append(list, code)
		}
		return true
	})
	return list
}

// One environment key means one thing: wherever it is read it has one type and
// one default.
func TestEnvironmentKeysMeanOneThing(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[A-Z]+(_[A-Z0-9]+)*$`)
	meant := map[string]string{}
	inspect(sources(t), func(path string, n ast.Node) {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil {
			return
		}
		raw, _ := strconv.Unquote(field.Tag.Value)
		tag := reflect.StructTag(raw)
		key, ok := tag.Lookup("envconfig")
		if !ok {
			return
		}
		if !form.MatchString(key) {
			t.Errorf("%s: %q is not of the form NOUN_THING_UNIT", path, key)
		}
		meaning := types.ExprString(field.Type) + ", default " + tag.Get("default")
		if before, ok := meant[key]; ok && before != meaning {
			t.Errorf("%s is %s, and in %s %s", key, before, path, meaning)
		}
		meant[key] = meaning
	})
	document, err := os.ReadFile("../docs/configuration.md")
	check.Must(t, err)
	for key, meaning := range meant {
		_, fallback, _ := strings.Cut(meaning, "default ")
		row := regexp.MustCompile("(?m)^\\|[^|]*`" + key + "`[^|]*\\|[^|]*\\|([^|]*)\\|").FindStringSubmatch(string(document))
		if row == nil || fallback != "" && strings.TrimSpace(row[1]) != "`"+fallback+"`" {
			t.Errorf("docs/configuration.md does not tell of %s with the default %q", key, fallback)
		}
	}
	for _, key := range []string{"DATABASE_URL", "REDIS_URL", "SMS_URL", "PORT"} {
		if meant[key] == "" {
			t.Errorf("%s was not found among %v", key, slices.Sorted(maps.Keys(meant)))
		}
	}
	for _, f := range everyFunction(t) {
		for _, name := range unnamed(f.Config) {
			t.Errorf("%s: %s has no environment key", f.Spec.Name, name)
		}
	}
}

// unnamed are the fields of a configuration that would be read under a name which
// nobody chose.
func unnamed(config reflect.Type) []string {
	var list []string
	for i := range config.NumField() {
		f := config.Field(i)
		switch {
		case f.Type.Kind() == reflect.Struct:
			list = append(list, unnamed(f.Type)...)
		case f.Tag.Get("envconfig") == "":
			list = append(list, config.String()+"."+f.Name)
		}
	}
	return list
}
