package main

import (
	"bytes"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/tidebank/tidebank/infra/gen/output"
)

const module = "github.com/tidebank/tidebank"

// declared is a function or a worker found in the source tree.
type declared struct {
	Name   string // from its Spec, transfer-confirm
	Import string
	Alias  string // its import name in files that import many packages
	Kind   string // Function or Worker: the variable that holds it
}

// Base is its package's name.
func (d declared) Base() string { return d.Import[strings.LastIndex(d.Import, "/")+1:] }

// nameInSpec finds the name in the Spec. If the name is a constant of the domain, the
// generator reads its value.
var (
	nameInSpec  = regexp.MustCompile(`Name:\s*(?:"([a-z0-9-]+)"|[a-z]+\.([A-Za-z]+))`)
	nameInConst = `(?m)^const %s = "([a-z0-9-]+)"`
)

func sources(root string) (output.Files, error) {
	functions, err := scan(root)
	if err != nil {
		return nil, err
	}
	workers, err := scanWorkers(root)
	if err != nil {
		return nil, err
	}
	files := output.Files{}
	if files[revisionFile], err = revision(root); err != nil {
		return nil, err
	}
	for path, registry := range map[string]struct {
		text  string
		found []declared
	}{
		"functions/registry.go": {registryTemplate, functions}, "workers/registry.go": {workersTemplate, workers},
	} {
		if files[path], err = render(registry.text, registry.found); err != nil {
			return nil, err
		}
	}
	for _, d := range slices.Concat(functions, workers) {
		path := "infra/mains/" + d.Name + "/main.go"
		if files[path] != nil {
			return nil, fmt.Errorf("two functions or workers are called %s", d.Name)
		}
		if files[path], err = render(mainTemplate, d); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// scan finds functions/<domain>/<operation>/handler.go with a Function in it.
func scan(root string) ([]declared, error) {
	return find(root, "functions/*/*/handler.go", "Function", func(rel, name string) (string, error) {
		parts := strings.Split(rel, "/")
		if !strings.HasPrefix(name, parts[1]+"-") || strings.ReplaceAll(name[len(parts[1])+1:], "-", "") != parts[2] {
			return "", fmt.Errorf("%s holds %s: a function lives in functions/<domain>/<operation>", rel, name)
		}
		return strings.ReplaceAll(parts[1]+parts[2], "-", ""), nil
	})
}

// scanWorkers finds workers/<folder>/worker.go with a Worker in it. The folder may
// have any name.
func scanWorkers(root string) ([]declared, error) {
	return find(root, "workers/*/worker.go", "Worker", func(rel, _ string) (string, error) {
		return strings.TrimPrefix(rel, "workers/"), nil
	})
}

// find reads the declarations below root. alias returns the import name for a
// declaration's package, or refuses its folder.
func find(root, pattern, kind string, alias func(rel, name string) (string, error)) ([]declared, error) {
	paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	var found []declared
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		if !bytes.Contains(source, []byte("\nvar "+kind+" = fn.")) {
			return nil, fmt.Errorf("%s declares no %s", path, kind)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), path, source, parser.PackageClauseOnly); err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		name, err := specName(path, source)
		if err != nil {
			return nil, err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		rel = filepath.ToSlash(rel)
		short, err := alias(rel, name)
		if err != nil {
			return nil, err
		}
		found = append(found, declared{Name: name, Import: module + "/" + rel, Alias: short, Kind: kind})
	}
	slices.SortFunc(found, func(a, b declared) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

func specName(path string, source []byte) (string, error) {
	match := nameInSpec.FindSubmatch(source)
	switch {
	case match == nil:
		return "", fmt.Errorf("%s: no Name in its Spec", path)
	case len(match[1]) > 0:
		return string(match[1]), nil
	}
	siblings, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(path)), "*.go"))
	if err != nil {
		return "", fmt.Errorf("scan: %w", err)
	}
	named := regexp.MustCompile(fmt.Sprintf(nameInConst, match[2]))
	for _, sibling := range siblings {
		text, err := os.ReadFile(sibling)
		if err != nil {
			return "", fmt.Errorf("scan: %w", err)
		}
		if m := named.FindSubmatch(text); m != nil {
			return string(m[1]), nil
		}
	}
	return "", fmt.Errorf("%s: the const that names it is not in its domain", path)
}

func render(text string, data any) ([]byte, error) {
	var out bytes.Buffer
	if err := template.Must(template.New("").Parse(text)).Execute(&out, data); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	source, err := format.Source(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	return source, nil
}

// removeStrays deletes the mains of functions and workers that no longer exist.
func removeStrays(files output.Files) error {
	mains, err := filepath.Glob("infra/mains/*/main.go")
	if err != nil {
		return fmt.Errorf("strays: %w", err)
	}
	for _, path := range mains {
		if _, ok := files[filepath.ToSlash(path)]; !ok {
			if err := os.RemoveAll(filepath.Dir(path)); err != nil {
				return fmt.Errorf("strays: %w", err)
			}
		}
	}
	return nil
}

const registryTemplate = `// Code generated by infra/gen. DO NOT EDIT.

package functions

import (
{{range .}}	{{.Alias}} "{{.Import}}"
{{end}}	"github.com/tidebank/tidebank/shared/fn"
)

// All returns every function, by name.
func All() []fn.Function {
	return []fn.Function{
{{range .}}		{{.Alias}}.Function,
{{end}}	}
}
`

const workersTemplate = `// Code generated by infra/gen. DO NOT EDIT.

// Package workers lists every worker of the bank, for the local bank, tests and
// generators. The binary of one worker imports only that worker.
package workers

import (
	"github.com/tidebank/tidebank/shared/fn"
{{range .}}	"{{.Import}}"
{{end}})

// All returns every worker, by name.
func All() []fn.Function {
	return []fn.Function{
{{range .}}		{{.Base}}.Worker,
{{end}}	}
}
`

const mainTemplate = `// Code generated by infra/gen. DO NOT EDIT.

// Command {{.Name}} {{if eq .Kind "Worker"}}runs one worker{{else}}serves one function{{end}}.
package main

import (
{{if eq .Kind "Worker"}}	"github.com/tidebank/tidebank/shared/fn"
	"{{.Import}}"
{{else}}	"{{.Import}}"
	"github.com/tidebank/tidebank/shared/fn"
{{end}})

func main() { fn.Serve({{.Base}}.{{.Kind}}) }
`
