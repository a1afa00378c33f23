package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user runs the process: nobody of the node, and not root.
const user = "65532:65532"

// rootsFile is where Go programs look for root certificates.
const rootsFile = "etc/ssl/certs/ca-certificates.crt"

// file is one file of an image.
type file struct {
	Path    string
	Mode    int64
	Content []byte
}

// assemble makes the image of a binary: a layer with the root certificates, which all
// images share, and a layer with the program and the list of its modules.
func assemble(name, arch string, binary []byte) (v1.Image, error) {
	sbom, err := bill(name, binary)
	if err != nil {
		return nil, err
	}
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	for _, files := range [][]file{
		{{Path: rootsFile, Mode: 0o444, Content: roots()}},
		{{Path: "app", Mode: 0o555, Content: binary}, {Path: "sbom.cdx.json", Mode: 0o444, Content: sbom}},
	} {
		layer, err := layerOf(files)
		if err != nil {
			return nil, err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return nil, fmt.Errorf("layer: %w", err)
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: time.Unix(0, 0).UTC()}
	config.Config = v1.Config{
		User: user, Entrypoint: []string{"/app"}, WorkingDir: "/", ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Labels: map[string]string{"org.opencontainers.image.title": name, "org.opencontainers.image.vendor": "Tidebank"},
	}
	for i := range config.History {
		config.History[i] = v1.History{Created: config.Created, CreatedBy: "tidebank images"}
	}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return image, nil
}

// layerOf packs files without times and owners of this machine.
func layerOf(files []file) (v1.Layer, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, f := range files {
		header := &tar.Header{Name: f.Path, Mode: f.Mode, Size: int64(len(f.Content)), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("layer: %w", err)
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, fmt.Errorf("layer: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	return layer, nil
}

// roots are the root certificates of the Mozilla programme, of a pinned version, so
// that images do not depend on the machine that builds them.
func roots() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		// Encode fails only if the buffer does.
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
	}
	return text.Bytes()
}

// compressed is the number of bytes that a registry sends for the image.
func compressed(image v1.Image) (int64, error) {
	layers, err := image.Layers()
	if err != nil {
		return 0, fmt.Errorf("layers: %w", err)
	}
	var sum int64
	for _, l := range layers {
		size, err := l.Size()
		if err != nil {
			return 0, fmt.Errorf("layers: %w", err)
		}
		sum += size
	}
	return sum, nil
}
