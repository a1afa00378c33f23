package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"strings"
)

// bom is a bill of materials in the form of CycloneDX 1.6.
type bom struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
}

// bill lists the modules that the linker has written into the binary: what is really
// in it, not what go.mod would allow.
func bill(name string, binary []byte) ([]byte, error) {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return nil, fmt.Errorf("bill of materials: %w", err)
	}
	list := bom{
		Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{Component: component{Type: "application", Name: name}},
		Components: []component{{
			Type: "library", Name: "stdlib", Version: info.GoVersion,
			PURL: "pkg:golang/stdlib@" + strings.TrimPrefix(info.GoVersion, "go"),
		}},
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		list.Components = append(list.Components, component{
			Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version,
		})
	}
	text, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return nil, fmt.Errorf("bill of materials: %w", err)
	}
	return append(text, '\n'), nil
}
