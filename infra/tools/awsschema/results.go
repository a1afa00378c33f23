package main

import (
	"fmt"
	"sort"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// check refuses values for results: OpenTofu leaves this check to the provider.
func check(blocks map[string]*Block, name string, config *tfprotov5.DynamicValue) []*tfprotov5.Diagnostic {
	b, ok := blocks[name]
	if !ok {
		return []*tfprotov5.Diagnostic{problem(name + " is unknown")}
	}
	value, err := config.Unmarshal(b.valueType())
	if err != nil {
		return []*tfprotov5.Diagnostic{problem(err.Error())}
	}
	var list []*tfprotov5.Diagnostic
	for _, path := range b.results(value) {
		list = append(list, problem(fmt.Sprintf("%s is a result of %s and takes no value", path, name)))
	}
	return list
}

func problem(text string) *tfprotov5.Diagnostic {
	return &tfprotov5.Diagnostic{Severity: tfprotov5.DiagnosticSeverityError, Summary: "Value for a result", Detail: text}
}

// results names the results of a block that have a value.
func (b *Block) results(value tftypes.Value) (paths []string) {
	var fields map[string]tftypes.Value
	if value.IsNull() || !value.IsKnown() || value.As(&fields) != nil {
		return nil
	}
	for name, a := range b.Attributes {
		if a.Computed && !a.Optional && !fields[name].IsNull() {
			paths = append(paths, name)
		}
	}
	for name, n := range b.Blocks {
		members := []tftypes.Value{fields[name]}
		if n.Nesting != "single" {
			members = nil
			if !fields[name].IsKnown() || fields[name].As(&members) != nil {
				continue // a dynamic block whose number is not known yet
			}
		}
		for _, m := range members {
			for _, path := range n.Block.results(m) {
				paths = append(paths, name+"."+path)
			}
		}
	}
	sort.Strings(paths)
	return paths
}
