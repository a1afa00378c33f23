package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// testMode is the variable that allows results to be invented. OpenTofu's own mocks give all instances of a resource the
// same id, so a rule for the wrong group would pass a test. Here each has its own, known only after the apply, as in AWS.
const testMode = "AWSSCHEMA_TEST"

// account owns what the tests make.
const account = "111122223333"

func (s *server) ConfigureProvider(
	_ context.Context, r *tfprotov5.ConfigureProviderRequest,
) (*tfprotov5.ConfigureProviderResponse, error) {
	if os.Getenv(testMode) != "1" {
		return &tfprotov5.ConfigureProviderResponse{Diagnostics: []*tfprotov5.Diagnostic{{
			Severity: tfprotov5.DiagnosticSeverityError, Summary: "This provider has only the schema of AWS' provider",
			Detail: "It serves `make tf-check`. Install hashicorp/aws to plan and apply (docs/terraform.md).",
		}}}, nil
	}
	config, err := r.Config.Unmarshal(s.schema.Provider.valueType())
	if err != nil {
		return nil, err
	}
	var fields map[string]tftypes.Value
	if err := config.As(&fields); err != nil {
		return nil, err
	}
	return &tfprotov5.ConfigureProviderResponse{}, fields["region"].As(&s.region)
}

func (s *server) PlanResourceChange(
	_ context.Context, r *tfprotov5.PlanResourceChangeRequest,
) (*tfprotov5.PlanResourceChangeResponse, error) {
	b := s.schema.Resources[r.TypeName]
	planned, err := b.change(r.ProposedNewState, func(name string, a Attribute, v tftypes.Value) any {
		switch {
		case strings.HasSuffix(name, writeOnly):
			return nil
		case a.Computed && v.IsNull() && empty(r.PriorState):
			return tftypes.UnknownValue
		}
		return v
	})
	return &tfprotov5.PlanResourceChangeResponse{PlannedState: planned, UnsafeToUseLegacyTypeSystem: true}, err
}

func (s *server) ApplyResourceChange(
	_ context.Context, r *tfprotov5.ApplyResourceChangeRequest,
) (*tfprotov5.ApplyResourceChangeResponse, error) {
	number := s.made.Add(1)
	made, err := s.schema.Resources[r.TypeName].change(r.PlannedState, func(name string, a Attribute, v tftypes.Value) any {
		if v.IsKnown() {
			return v
		}
		return a.Type.invent(fmt.Sprintf("%s/%s/%d", r.TypeName, name, number), number)
	})
	return &tfprotov5.ApplyResourceChangeResponse{NewState: made, UnsafeToUseLegacyTypeSystem: true}, err
}

func (s *server) ReadResource(_ context.Context, r *tfprotov5.ReadResourceRequest) (*tfprotov5.ReadResourceResponse, error) {
	return &tfprotov5.ReadResourceResponse{NewState: r.CurrentState}, nil
}

func (s *server) ReadDataSource(
	_ context.Context, r *tfprotov5.ReadDataSourceRequest,
) (*tfprotov5.ReadDataSourceResponse, error) {
	number := s.made.Add(1)
	partition, suffix := "aws", "amazonaws.com"
	if strings.HasPrefix(s.region, "cn-") {
		partition, suffix = "aws-cn", "amazonaws.com.cn"
	}
	known := map[string]string{
		"aws_region.region": s.region, "aws_caller_identity.account_id": account,
		"aws_partition.partition": partition, "aws_partition.dns_suffix": suffix,
	}
	state, err := s.schema.Data[r.TypeName].change(r.Config, func(name string, a Attribute, v tftypes.Value) any {
		if value, ok := known[r.TypeName+"."+name]; ok {
			return value
		}
		if !a.Computed || !v.IsNull() {
			return v
		}
		return a.Type.invent(fmt.Sprintf("%s/%s/%d", r.TypeName, name, number), number)
	})
	return &tfprotov5.ReadDataSourceResponse{State: state}, err
}

// invent makes a result.
func (t Type) invent(text string, number int64) any {
	switch t.Kind {
	case "string", "dynamic":
		return text
	case "number":
		return number
	case "bool":
		return false
	case "list", "set":
		return []tftypes.Value{}
	case "map":
		return map[string]tftypes.Value{}
	}
	return nil
}

func empty(v *tfprotov5.DynamicValue) bool {
	null, err := v.IsNull()
	return err != nil || null
}

// change gives each attribute of a state the value that become says: a tftypes.Value, or what is in one.
func (b *Block) change(
	state *tfprotov5.DynamicValue, become func(name string, a Attribute, v tftypes.Value) any,
) (*tfprotov5.DynamicValue, error) {
	kind := b.valueType()
	value, err := state.Unmarshal(kind)
	if err != nil || value.IsNull() {
		return state, err
	}
	if value, err = b.each(value, become); err != nil {
		return nil, err
	}
	changed, err := tfprotov5.NewDynamicValue(kind, value)
	return &changed, err
}

func (b *Block) each(value tftypes.Value, become func(string, Attribute, tftypes.Value) any) (tftypes.Value, error) {
	var fields map[string]tftypes.Value
	if value.IsNull() || !value.IsKnown() {
		return value, nil
	}
	if err := value.As(&fields); err != nil {
		return value, err
	}
	for name, a := range b.Attributes {
		got := become(name, a, fields[name])
		if v, ok := got.(tftypes.Value); ok {
			fields[name] = v
			continue
		}
		kind := a.Type.proto()
		if text, ok := got.(string); ok && a.Type.Kind == "dynamic" {
			fields[name] = tftypes.NewValue(tftypes.String, text)
			continue
		}
		fields[name] = tftypes.NewValue(kind, got)
	}
	for name, n := range b.Blocks {
		inner, err := n.each(fields[name], become)
		if err != nil {
			return value, err
		}
		fields[name] = inner
	}
	return tftypes.NewValue(value.Type(), fields), nil
}

func (n Nested) each(value tftypes.Value, become func(string, Attribute, tftypes.Value) any) (tftypes.Value, error) {
	if n.Nesting == "single" || value.IsNull() || !value.IsKnown() {
		return n.Block.each(value, become)
	}
	var members []tftypes.Value
	if err := value.As(&members); err != nil {
		return value, err
	}
	for i, m := range members {
		changed, err := n.Block.each(m, become)
		if err != nil {
			return value, err
		}
		members[i] = changed
	}
	return tftypes.NewValue(value.Type(), members), nil
}
