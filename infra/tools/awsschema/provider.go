package main

import (
	"fmt"
	"regexp"
	"strings"
)

// Arguments of the provider itself have no getters with a type; the code that writes them down has:
//
//	region: {
//	  value: cdktf.stringToHclTerraform(this._region),
//	  isBlock: false,
//	  type: "simple",
//	  storageClassType: "string",
var written = regexp.MustCompile(
	`(\w+): \{\s*value: [^\n]*,\s*isBlock: (true|false),\s*type: "(\w+)",\s*storageClassType: "(\w+)"`)

// provider reads the configuration of the provider; all of it is optional.
func provider(text, body string) (*Block, error) {
	return arguments(text, body, func(name string) bool { return name == "alias" })
}

func arguments(text, body string, skip func(name string) bool) (*Block, error) {
	b := &Block{Attributes: map[string]Attribute{}, Blocks: map[string]Nested{}}
	for _, m := range written.FindAllStringSubmatch(body, -1) {
		name, isBlock, nesting, storage := m[1], m[2] == "true", m[3], m[4]
		if skip(name) {
			continue
		}
		if !isBlock {
			b.Attributes[name] = Attribute{Type: stored(nesting, storage), Optional: true}
			continue
		}
		inner, err := arguments(text, writer(text, strings.TrimSuffix(storage, "List")), func(string) bool { return false })
		if err != nil {
			return nil, err
		}
		b.Blocks[name] = Nested{Nesting: nesting, Block: inner}
	}
	if len(b.Attributes) == 0 {
		return nil, fmt.Errorf("no arguments")
	}
	return b, nil
}

// writer is the function that writes down a value of an interface.
func writer(text, name string) string {
	start := "export function " + strings.ToLower(name[:1]) + name[1:] + "ToHclTerraform("
	_, rest, _ := strings.Cut(text, start)
	body, _, _ := strings.Cut(rest, "\n}\n")
	return body
}

func stored(nesting, storage string) Type {
	element := Type{Kind: strings.TrimSuffix(strings.TrimSuffix(storage, "List"), "Map")}
	if element.Kind == "boolean" {
		element.Kind = "bool"
	}
	if nesting == "simple" {
		return element
	}
	return Type{Kind: nesting, Element: &element}
}
