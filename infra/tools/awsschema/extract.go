package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
)

// The package is TypeScript, compiled. Each file carries its source, with a line about each attribute that the compiled
// code has lost:
//
//	// bucket - computed: false, optional: false, required: true
//	private _bucket?: string;
//	public get bucket() {
//	  return this.getStringAttribute('bucket');
var (
	sourceMap = regexp.MustCompile(`sourceMappingURL=data:application/json;base64,(\S+)`)
	class     = regexp.MustCompile(`(?ms)^export class (\w+) extends cdktf\.(\w+) \{(.*?)^\}`)
	resource  = regexp.MustCompile(`tfResourceType = "(\w+)"`)
	member    = regexp.MustCompile(`// (\w+) - computed: (\w+), optional: (\w+), required: (\w+)\n` +
		`(?:\s*private _\w+(?: = new ([\w.]+)\(this, "\w+"(?:, (true|false))?\)|\?: ([^;\n]*));\s*\n)?` +
		`\s*public get \w+\(\) \{\n\s*return (.*);\n`)
	super = regexp.MustCompile(`super\(terraformResource, terraformAttribute(?:, (\w+))?`)
	// A field of an interface whose comment says that it is a block.
	face       = regexp.MustCompile(`(?ms)^export interface (\w+)[^\n]* \{(.*?)^\}`)
	blockField = regexp.MustCompile(`\* (\w+) block\n`)
)

// extract reads the package.
func extract(file string) (*Schema, error) {
	folders, err := sources(file)
	if err != nil {
		return nil, err
	}
	schema := &Schema{Resources: map[string]*Block{}, Data: map[string]*Block{}}
	for name, text := range folders {
		if err := newReader(text).into(schema, text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if schema.Provider == nil || len(schema.Resources) == 0 || len(schema.Data) == 0 {
		return nil, errors.New("the package has another form than that of version 21")
	}
	return schema, nil
}

// sources returns the TypeScript of each folder of the package.
func sources(file string) (map[string]string, error) {
	raw, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = raw.Close() }() // it was only read
	packed, err := gzip.NewReader(raw)
	if err != nil {
		return nil, err
	}
	folders := map[string]string{}
	for archive := tar.NewReader(packed); ; {
		entry, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return folders, nil
		}
		if err != nil {
			return nil, err
		}
		parts := strings.Split(entry.Name, "/")
		if len(parts) < 4 || parts[1] != "lib" || path.Ext(entry.Name) != ".js" {
			continue
		}
		code, err := io.ReadAll(archive)
		if err != nil {
			return nil, err
		}
		text, err := typeScript(code)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name, err)
		}
		folders[parts[2]] += text
	}
}

func typeScript(code []byte) (string, error) {
	found := sourceMap.FindSubmatch(code)
	if found == nil {
		return "", errors.New("no source map")
	}
	raw, err := base64.StdEncoding.DecodeString(string(found[1]))
	if err != nil {
		return "", err
	}
	var m struct {
		SourcesContent []string `json:"sourcesContent"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return "", err
	}
	return strings.Join(m.SourcesContent, "\n"), nil
}

// reader knows the classes of one folder.
type reader struct {
	kinds  map[string]string          // what a class extends
	bodies map[string]string          // its text
	blocks map[string]map[string]bool // by interface: fields that are blocks
}

func newReader(text string) *reader {
	r := &reader{kinds: map[string]string{}, bodies: map[string]string{}, blocks: map[string]map[string]bool{}}
	for _, c := range class.FindAllStringSubmatch(text, -1) {
		r.kinds[c[1]], r.bodies[c[1]] = c[2], c[3]
	}
	for _, i := range face.FindAllStringSubmatch(text, -1) {
		fields := map[string]bool{}
		for _, f := range blockField.FindAllStringSubmatch(i[2], -1) {
			fields[f[1]] = true
		}
		r.blocks[i[1]] = fields
	}
	return r
}

func (r *reader) into(schema *Schema, text string) (err error) {
	for name, kind := range r.kinds {
		into := map[string]map[string]*Block{"TerraformResource": schema.Resources, "TerraformDataSource": schema.Data}[kind]
		switch {
		case kind == "TerraformProvider":
			schema.Provider, err = provider(text, r.bodies[name])
		case into != nil:
			found := resource.FindStringSubmatch(r.bodies[name])
			if found == nil {
				return fmt.Errorf("%s has no type", name)
			}
			var b *Block
			if b, err = r.block(name, name+"Config"); err == nil && !b.unclear(false) {
				into[found[1]] = b
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// block reads a class with the interface of its arguments.
func (r *reader) block(name, arguments string) (*Block, error) {
	body, ok := r.bodies[name]
	if !ok {
		return nil, fmt.Errorf("no class %s", name)
	}
	b := &Block{Attributes: map[string]Attribute{}, Blocks: map[string]Nested{}}
	for _, m := range member.FindAllStringSubmatch(body, -1) {
		field, made, returned := m[1], m[5], m[8]
		required := m[4] == "true"
		// A block that can hold itself has no class: the check takes any value.
		if r.blocks[arguments][field] && made != "" {
			nested, err := r.nested(made, m[6])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", field, err)
			}
			if required && nested.Nesting != "single" {
				nested.Min = 1
			}
			b.Blocks[field] = nested
			continue
		}
		kind, err := r.kind(made, m[6], returned)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		b.Attributes[field] = Attribute{Type: kind, Required: required, Optional: m[3] == "true", Computed: m[2] == "true"}
	}
	return b, nil
}

// nested reads a block that the class made holds: a list, a set, or one block.
func (r *reader) nested(made, set string) (n Nested, err error) {
	one, isList := strings.CutSuffix(made, "List")
	reference := made
	if isList {
		n.Nesting = "list"
		if set == "true" {
			n.Nesting = "set"
		}
		reference = one + "OutputReference"
	} else {
		n.Nesting, n.Max = r.single(made)
		one = strings.TrimSuffix(made, "OutputReference")
	}
	n.Block, err = r.block(reference, one)
	return n, err
}

// single says how one block is nested: the constructor tells whether it is the only member of a list or set.
func (r *reader) single(name string) (nesting string, most int64) {
	found := super.FindStringSubmatch(r.bodies[name])
	switch {
	case found == nil || found[1] == "":
		return "single", 0
	case found[1] == "true":
		return "set", 1
	}
	return "list", 1
}

// kinds of an attribute by what its getter returns.
var kinds = []struct {
	call string
	kind Type
}{
	{"asNumberList(cdktf.Fn.tolist(", of("set", "number")},
	{"Fn.tolist(this.getListAttribute(", of("set", "string")},
	{"getNumberListAttribute(", of("list", "number")},
	{"getListAttribute(", of("list", "string")},
	{"getStringMapAttribute(", of("map", "string")},
	{"getNumberMapAttribute(", of("map", "number")},
	{"getBooleanMapAttribute(", of("map", "bool")},
	{"getStringAttribute(", Type{Kind: "string"}},
	{"getNumberAttribute(", Type{Kind: "number"}},
	{"getBooleanAttribute(", Type{Kind: "bool"}},
	// Maps of maps and lists of lists: the check takes any value.
	{"interpolationForAttribute(", Type{Kind: "dynamic"}},
}

func of(kind, element string) Type { return Type{Kind: kind, Element: &Type{Kind: element}} }

func (r *reader) kind(made, set, returned string) (Type, error) {
	switch {
	case made == "":
		for _, k := range kinds {
			if strings.Contains(returned, k.call) {
				return k.kind, nil
			}
		}
		return Type{}, fmt.Errorf("unknown getter %s", returned)
	case made == "cdktf.StringMap":
		return of("map", "string"), nil
	case made == "cdktf.NumberMap":
		return of("map", "number"), nil
	case made == "cdktf.BooleanMap":
		return of("map", "bool"), nil
	case strings.HasSuffix(made, "MapList"), strings.HasSuffix(made, "Map"):
		return Type{Kind: "dynamic"}, nil
	}
	nested, err := r.nested(made, set)
	if err != nil {
		return Type{}, err
	}
	object := nested.Block.object()
	if nested.Nesting == "single" {
		return object, nil
	}
	return Type{Kind: nested.Nesting, Element: &object}, nil
}

// unclear tells that a set of blocks has an argument whose type is not known: OpenTofu refuses such a schema. Only
// resources with blocks that hold themselves are so, such as the rules of a web firewall; the schema lacks them.
func (b *Block) unclear(inSet bool) bool {
	for _, a := range b.Attributes {
		if inSet && a.Type.Kind == "dynamic" {
			return true
		}
	}
	for _, n := range b.Blocks {
		if n.Block.unclear(inSet || n.Nesting == "set") {
			return true
		}
	}
	return false
}

// object is the type of a value with the fields of a block.
func (b *Block) object() Type {
	fields := map[string]Type{}
	for name, a := range b.Attributes {
		fields[name] = a.Type
	}
	for name, n := range b.Blocks {
		object := n.Block.object()
		fields[name] = Type{Kind: n.Nesting, Element: &object}
		if n.Nesting == "single" {
			fields[name] = object
		}
	}
	return Type{Kind: "object", Fields: fields}
}
