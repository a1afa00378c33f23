package gate

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Image is an image of the release.
type Image struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Base   string `json:"base"` // the digest of the lowest layer, unpacked
}

// opened is an image with what it holds.
type opened struct {
	Image
	files map[string][]byte
	other []string // entries that are no plain files
}

// descriptor is OCI's reference to a blob.
type descriptor struct {
	Digest      string            `json:"digest"`
	MediaType   string            `json:"mediaType"`
	Annotations map[string]string `json:"annotations"`
}

// most bounds the unpacked size of one file, so that a damaged layer can't fill the memory.
const most = 1 << 30

// openLayout reads all images of an OCI layout.
func openLayout(folder string) ([]opened, error) {
	var index struct {
		Manifests []descriptor `json:"manifests"`
	}
	text, err := os.ReadFile(filepath.Join(folder, "index.json"))
	if err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	if len(index.Manifests) == 0 {
		return nil, fmt.Errorf("images: %s holds none", folder)
	}
	var list []opened
	for _, d := range index.Manifests {
		image, err := openImage(folder, d)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", d.Annotations["org.opencontainers.image.ref.name"], err)
		}
		list = append(list, image)
	}
	return list, nil
}

func openImage(folder string, d descriptor) (opened, error) {
	image := opened{Image: Image{Name: d.Annotations["org.opencontainers.image.ref.name"], Digest: d.Digest}, files: map[string][]byte{}}
	var manifest struct {
		Config descriptor   `json:"config"`
		Layers []descriptor `json:"layers"`
	}
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := readBlob(folder, d.Digest, &manifest); err != nil {
		return image, err
	}
	if err := readBlob(folder, manifest.Config.Digest, &config); err != nil {
		return image, err
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) || len(manifest.Layers) == 0 {
		return image, errors.New("the configuration does not match the layers")
	}
	for i, l := range manifest.Layers {
		packed, err := blob(folder, l.Digest)
		if err != nil {
			return image, err
		}
		unpacked, err := gunzip(packed)
		if err != nil {
			return image, err
		}
		if digest := digestOf(unpacked); digest != config.RootFS.DiffIDs[i] {
			return image, fmt.Errorf("layer %d is %s, and the configuration says %s", i, digest, config.RootFS.DiffIDs[i])
		}
		if err := image.add(unpacked); err != nil {
			return image, err
		}
	}
	image.Base = config.RootFS.DiffIDs[0]
	return image, nil
}

func gunzip(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	return text, nil
}

// add takes the files of a layer.
func (o *opened) add(layer []byte) error {
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("layer: %w", err)
		}
		name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
		if header.Typeflag != tar.TypeReg {
			o.other = append(o.other, name)
			continue
		}
		if o.files[name], err = io.ReadAll(io.LimitReader(r, most)); err != nil {
			return fmt.Errorf("layer: %w", err)
		}
	}
}

// bill reads the bill of materials in the image, and compares it with what the image
// really holds: every module of the program and every other file has its component.
func (o *opened) bill(plan ImagePlan) (Bill, []Problem) {
	const cure = "Build the image again with make images"
	var b Bill
	if err := json.Unmarshal(o.files["sbom.cdx.json"], &b); err != nil {
		return b, []Problem{problem("image", cure, "%s has no bill of materials: %v", o.Name, err)}
	}
	info, err := buildinfo.Read(bytes.NewReader(o.files["app"]))
	if err != nil {
		return b, []Problem{problem("image", cure, "the program of %s does not name its modules: %v", o.Name, err)}
	}
	var list []Problem
	lists := func(name, version string) {
		if !slices.ContainsFunc(b.Components, func(c Component) bool { return c.Name == name && c.Version == version }) {
			list = append(list, problem("image", cure, "the bill of %s does not list %s %s, which is in it", o.Name, name, version))
		}
	}
	lists("stdlib", info.GoVersion)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		lists(m.Path, m.Version)
	}
	for _, file := range plan.Files {
		if file != "app" && file != "sbom.cdx.json" && !slices.ContainsFunc(b.Components, func(c Component) bool {
			return c.Version != "" && c.Evidence != nil && slices.Contains(c.Evidence.Occurrences, Occurrence{file})
		}) {
			list = append(list, problem("image", cure, "the bill of %s has no component for the file %s", o.Name, file))
		}
	}
	b.Metadata.Component.Name = o.Name
	return b, list
}

// judge checks the image against the plan.
func (o *opened) judge(plan ImagePlan) []Problem {
	const cure = "Mend what builds the image, or declare the file in " + planFile
	var list []Problem
	for name := range o.files {
		if !slices.Contains(plan.Files, name) {
			list = append(list, problem("image", cure, "%s holds %s, which is not declared", o.Name, name))
		}
	}
	for _, name := range o.other {
		list = append(list, problem("image", cure, "%s holds %s, which is no plain file", o.Name, name))
	}
	for _, name := range plan.Files {
		if len(o.files[name]) == 0 {
			list = append(list, problem("image", cure, "%s does not hold %s", o.Name, name))
		}
	}
	if o.Base != plan.Base {
		list = append(list, problem("image", "If the new base is right, record it in "+planFile,
			"the base of %s is %s, and %s is recorded", o.Name, o.Base, plan.Base))
	}
	for _, what := range o.testCode() {
		list = append(list, problem("image", "Take the import out of the program", "%s holds test code or test data: %s", o.Name, what))
	}
	return list
}

// CheckImages judges a layout by a plan, and returns the images with their bills.
func CheckImages(folder string, plan ImagePlan) ([]Image, []Bill, []Problem, error) {
	all, err := openLayout(folder)
	if err != nil {
		return nil, nil, nil, err
	}
	var images []Image
	var bills []Bill
	var list []Problem
	for _, o := range all {
		b, wrong := o.bill(plan)
		list = append(list, append(o.judge(plan), wrong...)...)
		images, bills = append(images, o.Image), append(bills, b)
	}
	return images, bills, list, nil
}
