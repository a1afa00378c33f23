package main

import (
	"bytes"
	"debug/buildinfo"
	_ "embed" // go.mod
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

	Evidence *evidence `json:"evidence,omitempty"` // of a component that is not in the program
}

// evidence says in which file of the image a component is.
type evidence struct {
	Occurrences []occurrence `json:"occurrences"`
}

type occurrence struct {
	Location string `json:"location"`
}

// rootsModule is the module that holds the root certificates.
const rootsModule = "golang.org/x/crypto/x509roots/fallback"

//go:embed go.mod
var modules string

// rootsComponent is the component of the root certificates, with the version of go.mod.
func rootsComponent() (component, error) {
	for line := range strings.SplitSeq(modules, "\n") {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == rootsModule {
			return component{
				Type: "library", Name: rootsModule, Version: words[1], PURL: "pkg:golang/" + rootsModule + "@" + words[1],
				Evidence: &evidence{[]occurrence{{rootsFile}}},
			}, nil
		}
	}
	return component{}, fmt.Errorf("go.mod does not name %s", rootsModule)
}

// bill lists the modules that the linker has written into the binary: what is really
// in it, not what go.mod would allow. It also lists the root certificates.
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
	certificates, err := rootsComponent()
	if err != nil {
		return nil, fmt.Errorf("bill of materials: %w", err)
	}
	list.Components = append(list.Components, certificates)
	text, err := json.MarshalIndent(list, "", " ")
	if err != nil {
		return nil, fmt.Errorf("bill of materials: %w", err)
	}
	return append(text, '\n'), nil
}
