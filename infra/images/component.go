package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// componentFile is the file that names the images of a release, in the folder of the layout.
const componentFile = "kustomization.yaml"

// pinned is one image by its digest.
type pinned struct{ Name, Digest string }

// writeComponent writes a kustomize Component that gives each image of infra/knative its
// place in the registry and its digest. An overlay lists its folder under `components`.
func writeComponent(folder, registry string, images []pinned) error {
	var text strings.Builder
	text.WriteString("# The images of one release. Written by `make images`; docs/knative.md tells where it belongs.\n" +
		"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages:\n")
	for _, i := range images {
		fmt.Fprintf(&text, "  - {name: tidebank/%s, newName: %q, digest: %q}\n", i.Name, registry+"/"+i.Name, i.Digest)
	}
	//nolint:gosec // no secret
	if err := os.WriteFile(filepath.Join(folder, componentFile), []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("component: %w", err)
	}
	return nil
}
