package main

import (
	"context"
	"sync/atomic"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
)

// server answers with the schema. Outside the tests it refuses to be configured, so nothing can be planned or applied
// with it; in the tests it invents results (invent.go).
type server struct {
	tfprotov5.ProviderServer // its other methods are never called
	schema                   *Schema
	region                   string
	made                     *atomic.Int64
}

func (s *server) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	reply := &tfprotov5.GetMetadataResponse{ServerCapabilities: capabilities()}
	for name := range s.schema.Resources {
		reply.Resources = append(reply.Resources, tfprotov5.ResourceMetadata{TypeName: name})
	}
	for name := range s.schema.Data {
		reply.DataSources = append(reply.DataSources, tfprotov5.DataSourceMetadata{TypeName: name})
	}
	return reply, nil
}

func (s *server) GetProviderSchema(
	context.Context, *tfprotov5.GetProviderSchemaRequest,
) (*tfprotov5.GetProviderSchemaResponse, error) {
	return &tfprotov5.GetProviderSchemaResponse{
		ServerCapabilities: capabilities(), Provider: &tfprotov5.Schema{Block: s.schema.Provider.proto()},
		ResourceSchemas: all(s.schema.Resources), DataSourceSchemas: all(s.schema.Data),
	}, nil
}

func (s *server) GetResourceIdentitySchemas(
	context.Context, *tfprotov5.GetResourceIdentitySchemasRequest,
) (*tfprotov5.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov5.GetResourceIdentitySchemasResponse{}, nil
}

func (s *server) GetFunctions(context.Context, *tfprotov5.GetFunctionsRequest) (*tfprotov5.GetFunctionsResponse, error) {
	return &tfprotov5.GetFunctionsResponse{}, nil
}

func (s *server) PrepareProviderConfig(
	_ context.Context, r *tfprotov5.PrepareProviderConfigRequest,
) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (s *server) ValidateResourceTypeConfig(
	_ context.Context, r *tfprotov5.ValidateResourceTypeConfigRequest,
) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	return &tfprotov5.ValidateResourceTypeConfigResponse{Diagnostics: check(s.schema.Resources, r.TypeName, r.Config)}, nil
}

func (s *server) ValidateDataSourceConfig(
	_ context.Context, r *tfprotov5.ValidateDataSourceConfigRequest,
) (*tfprotov5.ValidateDataSourceConfigResponse, error) {
	return &tfprotov5.ValidateDataSourceConfigResponse{Diagnostics: check(s.schema.Data, r.TypeName, r.Config)}, nil
}

func (s *server) UpgradeResourceState(
	_ context.Context, r *tfprotov5.UpgradeResourceStateRequest,
) (*tfprotov5.UpgradeResourceStateResponse, error) {
	b, ok := s.schema.Resources[r.TypeName]
	if !ok {
		return &tfprotov5.UpgradeResourceStateResponse{Diagnostics: []*tfprotov5.Diagnostic{problem(r.TypeName + " is unknown")}}, nil
	}
	kind := b.valueType()
	value, err := r.RawState.Unmarshal(kind)
	if err != nil {
		return nil, err
	}
	state, err := tfprotov5.NewDynamicValue(kind, value)
	return &tfprotov5.UpgradeResourceStateResponse{UpgradedState: &state}, err
}

func (s *server) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}

func capabilities() *tfprotov5.ServerCapabilities {
	return &tfprotov5.ServerCapabilities{GetProviderSchemaOptional: true}
}
