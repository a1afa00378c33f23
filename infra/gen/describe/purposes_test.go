package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// What is published says for each personal field of a request which business
// function needs it.
func TestPersonalFieldsStateTheirPurpose(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PRIV-001.1")
	raw, err := os.ReadFile(filepath.Join(root, "docs/openapi.json"))
	check.Must(t, err)
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Purpose string `json:"x-purpose"`
				} `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	check.Must(t, json.Unmarshal(raw, &doc))
	stated := map[string]bool{}
	for name, schema := range doc.Components.Schemas {
		if !strings.HasSuffix(name, ".Request") && name != "stepup.Proof" {
			continue
		}
		for field, property := range schema.Properties {
			if !personalName.MatchString(field) {
				continue
			}
			function, need, _ := strings.Cut(property.Purpose, ": ")
			if !slices.Contains(businessFunctions, function) || len(need) < 10 {
				t.Errorf("%s.%s states the purpose %q", name, field, property.Purpose)
			}
			stated[name+"."+field] = true
		}
	}
	for name, fields := range purposes {
		for field := range fields {
			if !stated[name+"."+field] {
				t.Errorf("a purpose is stated for %s.%s, which is not published", name, field)
			}
		}
	}
	if len(stated) < 18 {
		t.Errorf("only %d personal fields were found", len(stated))
	}
}

// A request that asks for personal data without a purpose stops the generator, and
// so the build, which checks that everything generated is up to date.
func TestAFieldWithoutPurposeStopsTheGenerator(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PRIV-001.2")
	type asks struct {
		Email string `json:"email"`
	}
	type asksNothing struct {
		Amount int `json:"amount_fen"`
	}
	good := functions.All()
	planted := func(request reflect.Type) fn.Function {
		f := good[0]
		f.Request = request
		f.Spec.Name = "test-planted"
		return f
	}
	if _, err := openAPI(append(slices.Clone(good), planted(reflect.TypeFor[asksNothing]()))); err != nil {
		t.Errorf("a request without personal data: %v", err)
	}
	_, err := openAPI(append(slices.Clone(good), planted(reflect.TypeFor[asks]())))
	if err == nil || !strings.Contains(err.Error(), "email") {
		t.Errorf("a request for an e-mail address: %v", err)
	}
}
