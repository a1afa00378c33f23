package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Schema is what the provider has.
type Schema struct {
	Provider  *Block
	Resources map[string]*Block
	Data      map[string]*Block
}

// Block is a resource or a block in one.
type Block struct {
	Attributes map[string]Attribute
	Blocks     map[string]Nested
	kind       tftypes.Type // of a value of it, once it is read
}

// valueType is the type of a value of the block.
func (b *Block) valueType() tftypes.Type {
	if b.kind != nil {
		return b.kind
	}
	return (&tfprotov5.Schema{Block: b.proto()}).ValueType()
}

// Attribute is an argument or a result.
type Attribute struct {
	Type                         Type
	Required, Optional, Computed bool
}

// Type is string, number, bool, dynamic, or a list, set or map of Element, or an object of Fields.
type Type struct {
	Kind    string
	Element *Type           `json:",omitempty"`
	Fields  map[string]Type `json:",omitempty"`
}

// Nested is a block in a block.
type Nested struct {
	Nesting string // single, list or set
	Min     int64  `json:",omitempty"`
	Max     int64  `json:",omitempty"`
	Block   *Block
}

// writeOnly is the end of the names of arguments that are stored in no state.
const writeOnly = "_wo"

func (s *Schema) write(path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
	}()
	packed := gzip.NewWriter(file)
	if err := json.NewEncoder(packed).Encode(s); err != nil {
		return err
	}
	return packed.Close()
}

// read reads the schema of these types, or of all without a name. OpenTofu asks for the schema each time that it starts
// the provider; the few types of a configuration take a tenth of the time.
func read(path string, types []string) (*Schema, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	packed, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var whole struct {
		Provider        *Block
		Resources, Data map[string]json.RawMessage
	}
	if err := json.NewDecoder(packed).Decode(&whole); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	schema := &Schema{Provider: whole.Provider}
	if schema.Resources, err = these(whole.Resources, types); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	schema.Data, err = these(whole.Data, types)
	return schema, err
}

func these(raw map[string]json.RawMessage, types []string) (map[string]*Block, error) {
	blocks := map[string]*Block{}
	for name, text := range raw {
		if len(types) > 0 && !slices.Contains(types, name) {
			continue
		}
		b := &Block{}
		if err := json.Unmarshal(text, b); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		b.kind = b.valueType()
		blocks[name] = b
	}
	return blocks, nil
}

func all(blocks map[string]*Block) map[string]*tfprotov5.Schema {
	list := make(map[string]*tfprotov5.Schema, len(blocks))
	for name, b := range blocks {
		list[name] = &tfprotov5.Schema{Block: b.proto()}
	}
	return list
}

func (b *Block) proto() *tfprotov5.SchemaBlock {
	out := &tfprotov5.SchemaBlock{}
	for name, a := range b.Attributes {
		out.Attributes = append(out.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: a.Type.proto(), Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			WriteOnly: strings.HasSuffix(name, writeOnly),
		})
	}
	for name, n := range b.Blocks {
		out.BlockTypes = append(out.BlockTypes, &tfprotov5.SchemaNestedBlock{
			TypeName: name, Block: n.Block.proto(), Nesting: nestings[n.Nesting], MinItems: n.Min, MaxItems: n.Max,
		})
	}
	return out
}

var nestings = map[string]tfprotov5.SchemaNestedBlockNestingMode{
	"single": tfprotov5.SchemaNestedBlockNestingModeSingle,
	"list":   tfprotov5.SchemaNestedBlockNestingModeList,
	"set":    tfprotov5.SchemaNestedBlockNestingModeSet,
}

func (t Type) proto() tftypes.Type {
	switch t.Kind {
	case "number":
		return tftypes.Number
	case "bool":
		return tftypes.Bool
	case "list":
		return tftypes.List{ElementType: t.Element.proto()}
	case "set":
		return tftypes.Set{ElementType: t.Element.proto()}
	case "map":
		return tftypes.Map{ElementType: t.Element.proto()}
	case "object":
		fields := make(map[string]tftypes.Type, len(t.Fields))
		for name, f := range t.Fields {
			fields[name] = f.proto()
		}
		return tftypes.Object{AttributeTypes: fields}
	case "dynamic":
		return tftypes.DynamicPseudoType
	}
	return tftypes.String
}
