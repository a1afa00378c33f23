package grants

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

const module = "github.com/tidebank/tidebank/"

// declaration is a function, method, constant, variable or type of a package.
type declaration struct {
	folder  string
	names   []string          // identifiers in it
	foreign map[string]string // "alias.Name" to the folder of the alias
	methods []string          // names that are selected from a value
	texts   []string
}

// program is the bank's own source, without tests.
type program struct {
	declared map[string]*declaration    // by "folder.name"; a method is "folder.Type.name"
	folders  map[string][]string        // the keys of a folder's declarations
	methods  map[string][]string        // keys by the method's name
	imports  map[string]map[string]bool // the module's folders that a folder imports
	closures map[string]map[string]bool // those that it imports directly or through others
}

// load reads the source below root.
func load(root string) (*program, error) {
	p := &program{
		declared: map[string]*declaration{}, folders: map[string][]string{}, methods: map[string][]string{},
		imports: map[string]map[string]bool{}, closures: map[string]map[string]bool{},
	}
	for _, top := range []string{"functions", "shared", "events", "workers"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				return fmt.Errorf("grants: %w", err)
			}
			folder, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				return fmt.Errorf("grants: %w", err)
			}
			p.file(filepath.ToSlash(folder), parsed)
			return nil
		})
		if err != nil {
			return nil, err //nolint:wrapcheck // wrapped above
		}
	}
	return p, nil
}

func (p *program) file(folder string, file *ast.File) {
	aliases := map[string]string{}
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		own, ok := strings.CutPrefix(imported, module)
		if !ok {
			continue
		}
		alias := path.Base(own)
		if spec.Name != nil {
			alias = spec.Name.Name
		}
		aliases[alias] = own
		if p.imports[folder] == nil {
			p.imports[folder] = map[string]bool{}
		}
		p.imports[folder][own] = true
	}
	p.declarations(folder, file, aliases)
}

func (p *program) declarations(folder string, file *ast.File, aliases map[string]string) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			p.declare(folder, methodName(d), d.Name.Name, d, aliases)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for i, n := range spec.Names {
						p.declare(folder, n.Name, "", valueOf(spec, i), aliases)
					}
				case *ast.TypeSpec:
					p.declare(folder, spec.Name.Name, "", spec, aliases)
				}
			}
		}
	}
}

// valueOf is the value of one name, or the whole specification if it stands for all.
func valueOf(spec *ast.ValueSpec, i int) ast.Node {
	if len(spec.Values) == len(spec.Names) {
		return spec.Values[i]
	}
	return spec
}

// methodName is "Type.name" for a method, and the name for a function.
func methodName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	receiver := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && receiver == "" {
			receiver = id.Name
		}
		return true
	})
	return receiver + "." + d.Name.Name
}

func (p *program) declare(folder, called, method string, node ast.Node, aliases map[string]string) {
	d := &declaration{folder: folder, foreign: map[string]string{}}
	key := folder + "." + called
	if called == "_" || called == "init" || p.declared[key] != nil {
		key = fmt.Sprintf("%s#%d", key, len(p.folders[folder]))
	}
	p.declared[key] = d
	p.folders[folder] = append(p.folders[folder], key)
	if strings.Contains(called, ".") {
		p.methods[method] = append(p.methods[method], key)
	}
	ast.Inspect(node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr: // a table's name may also be an SQL function's
			if field, ok := n.Key.(*ast.Ident); ok && field.Name == "Table" {
				return false
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && aliases[x.Name] != "" {
				d.foreign[x.Name+"."+n.Sel.Name] = aliases[x.Name]
			} else {
				d.methods = append(d.methods, n.Sel.Name)
			}
		case *ast.Ident:
			d.names = append(d.names, n.Name)
		case *ast.BinaryExpr:
			d.texts = append(d.texts, concatenated(n))
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				d.texts = append(d.texts, text)
			}
		}
		return true
	})
}

// concatenated is the text of literals that are joined by +; names in it are left out.
func concatenated(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.ParenExpr:
		return concatenated(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return concatenated(e.X) + concatenated(e.Y)
		}
	}
	return ""
}
