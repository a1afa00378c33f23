package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/infra/gen/example"
	"github.com/tidebank/tidebank/infra/gen/output"
	"github.com/tidebank/tidebank/shared/fn"
)

const frame = "application/vnd.tidebank.frame"

// openAPI describes every HTTP function's clear request and reply. On the wire both
// are sealed in frames; OpenAPI can describe frames only in text.
func openAPI(all []fn.Function) ([]byte, error) {
	registry := huma.NewMapRegistry("#/components/schemas/", naming)
	problem := registry.Schema(reflect.TypeFor[fn.Problem](), true, "Problem")
	registry.Map()[naming(reflect.TypeFor[fn.Problem](), "")].Properties["rules"].Items.Enum = ruleNames()
	paths := map[string]any{}
	for _, f := range all {
		if f.Trigger != fn.TriggerHTTP {
			continue
		}
		post, err := operation(f, registry, problem)
		if err != nil {
			return nil, err
		}
		paths["/function/"+f.Spec.Name] = map[string]any{"post": post}
	}
	if err := statePurposes(all, registry.Map()); err != nil {
		return nil, err
	}
	doc := map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "Tidebank", "version": fn.APIVersion,
			"description": "Bodies are described in clear. On the wire each is sealed in a frame of the secure channel (" + frame +
				"; docs/protocol.md), and the request stands in {\"idempotency_key\":\"…\",\"request\":{…}}. Amounts are whole fen.",
			"license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":    []any{map[string]any{"url": "/"}},
		"paths":      paths,
		"components": map[string]any{"schemas": registry.Map()},

		"x-tidebank-errors":         errorTexts(all),
		"x-tidebank-password-rules": ruleTexts(),
	}
	return indent(doc)
}

func naming(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	// Many packages have types named Request, Response and View; the folder makes the
	// names unique.
	if place, ours := strings.CutPrefix(t.PkgPath(), "github.com/tidebank/tidebank/"); ours {
		_, place, _ = strings.Cut(place, "/")
		return strings.ReplaceAll(place, "/", ".") + "." + t.Name()
	}
	return huma.DefaultSchemaNamer(t, hint)
}

func operation(f fn.Function, registry huma.Registry, problem *huma.Schema) (map[string]any, error) {
	s := f.Spec
	good, err := example.Of(f.Request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	request := registry.Schema(f.Request, false, s.Name+".request")
	reply := registry.Schema(f.Response, false, s.Name+".reply")
	answers := map[string]any{
		"200": map[string]any{"description": "Done", "content": media("application/json", reply)},
	}
	for _, e := range append(fn.StageRefusals(s), s.Refusals...) {
		status := strconv.Itoa(e.Kind().Status())
		entry, ok := answers[status].(map[string]any)
		if !ok {
			entry = map[string]any{"description": "", "content": media("application/problem+json", problem)}
			answers[status] = entry
		}
		entry["description"] = appendCode(fmt.Sprint(entry["description"]), e.Code())
	}
	described := map[string]any{
		"operationId": s.Name, "summary": s.Summary, "tags": []string{s.Audience.String()},
		"description": policy(s),
		"requestBody": map[string]any{"required": true, "content": map[string]any{
			"application/json": map[string]any{"schema": request, "example": good},
		}},
		"responses": answers,
		"x-tidebank": map[string]any{
			"audience": s.Audience.String(), "idempotent": s.Idempotent, "requirements": s.Requirements, "emits": s.Emits,
		},
	}
	if d := s.Deprecated; d.Since != "" {
		described["deprecated"] = true
		described["x-deprecation"] = map[string]any{"since": d.Since, "sunset": d.Sunset, "successor": d.Successor}
	}
	return described, nil
}

func appendCode(list, code string) string {
	if list == "" {
		return code
	}
	return list + ", " + code
}

func media(kind string, schema *huma.Schema) map[string]any {
	return map[string]any{kind: map[string]any{"schema": schema}}
}

// schemas adds a JSON Schema for each event type.
func schemas(files output.Files) error {
	for _, kind := range events.Catalogue() {
		registry := huma.NewMapRegistry("#/$defs/", huma.DefaultSchemaNamer)
		schema := huma.SchemaFromType(registry, reflect.TypeOf(kind.Data))
		raw, err := json.Marshal(schema)
		if err != nil {
			return fmt.Errorf("schema %s: %w", kind.Type, err)
		}
		var doc map[string]any
		if err := json.Unmarshal(raw, &doc); err != nil {
			return fmt.Errorf("schema %s: %w", kind.Type, err)
		}
		doc["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		doc["$id"] = "urn:tidebank:" + kind.Type
		doc["title"] = kind.What
		doc["additionalProperties"] = true // a later release may add fields
		out, err := indent(doc)
		if err != nil {
			return err
		}
		files["events/schemas/"+kind.Type+".json"] = out
	}
	return nil
}

func indent(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return b.Bytes(), nil
}
