package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

const root = "../.."

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// built builds the image of one name from the source at root, and returns it.
func built(t *testing.T, root, name string) v1.Image {
	t.Helper()
	out := t.TempDir()
	var report bytes.Buffer
	must(t, options{root: root, out: out, platforms: []string{"amd64"}, names: []string{name}, report: &report}.run())
	if !strings.Contains(report.String(), name+" ") || strings.Count(report.String(), "\n") != 1 {
		t.Errorf("report: %s", &report)
	}
	path, err := layout.FromPath(out)
	must(t, err)
	index, err := path.ImageIndex()
	must(t, err)
	manifest, err := index.IndexManifest()
	must(t, err)
	if len(manifest.Manifests) != 1 {
		t.Fatalf("%d images, want 1", len(manifest.Manifests))
	}
	image, err := path.Image(manifest.Manifests[0].Digest)
	must(t, err)
	return image
}

// contents returns every file of an image by path.
func contents(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	layers, err := image.Layers()
	must(t, err)
	for _, l := range layers {
		packed, err := l.Uncompressed()
		must(t, err)
		for r := tar.NewReader(packed); ; {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			must(t, err)
			if header.Uid != 0 || header.ModTime.Unix() != 0 || header.Mode&0o222 != 0 {
				t.Errorf("%s: owner %d, time %v, mode %o", header.Name, header.Uid, header.ModTime, header.Mode)
			}
			files[header.Name], err = io.ReadAll(r)
			must(t, err)
		}
	}
	return files
}

// An image holds one static program, the root certificates and the list of modules;
// the program runs as nobody.
func TestWhatAnImageHolds(t *testing.T) {
	t.Parallel()
	image := built(t, root, "transfer-confirm")
	files := contents(t, image)
	for _, name := range []string{"app", "etc/ssl/certs/ca-certificates.crt", "sbom.cdx.json"} {
		if len(files[name]) == 0 {
			t.Errorf("no %s", name)
		}
	}
	if len(files) != 3 {
		t.Errorf("%d files, want 3", len(files))
	}
	config, err := image.ConfigFile()
	must(t, err)
	if config.Config.User != user || !slices.Equal(config.Config.Entrypoint, []string{"/app"}) || config.OS != "linux" {
		t.Errorf("config: %+v", config.Config)
	}
	// A library that looks methods up by name makes the linker keep every method: then a program has 30 MB.
	if size := len(files["app"]); size > 20<<20 {
		t.Errorf("the program has %d bytes, want at most 20 MiB", size)
	}
	row := regexp.MustCompile("(?m)^\\| `transfer-confirm` \\| ([0-9.]+) \\|")
	list, err := os.ReadFile(root + "/docs/sizes.md")
	must(t, err)
	if match := row.FindSubmatch(list); match == nil {
		t.Error("docs/sizes.md does not list transfer-confirm")
	} else if listed, err := strconv.ParseFloat(string(match[1]), 64); err != nil || math.Abs(listed/megabytes(int64(len(files["app"])))-1) > 0.1 {
		t.Errorf("docs/sizes.md lists %s MB, and the program has %d bytes: make images ARGS=\"--sizes $PWD/docs/sizes.md\"", match[1], len(files["app"]))
	}
	program, err := elf.NewFile(bytes.NewReader(files["app"]))
	must(t, err)
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a linker, which the image does not have")
		}
	}
	if n := bytes.Count(files["etc/ssl/certs/ca-certificates.crt"], []byte("BEGIN CERTIFICATE")); n < 100 {
		t.Errorf("%d root certificates", n)
	}
	var bill bom
	must(t, json.Unmarshal(files["sbom.cdx.json"], &bill))
	if !slices.ContainsFunc(bill.Components, func(c component) bool {
		return strings.HasPrefix(c.PURL, "pkg:golang/github.com/jackc/pgx/v5@v5.")
	}) || bill.Metadata.Component.Name != "transfer-confirm" {
		t.Errorf("bill of materials: %+v", bill)
	}
}

// Another folder makes the same image. A change to one function changes its image, and
// not another's.
func TestImagesAreReproducible(t *testing.T) {
	t.Parallel()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	must(t, os.MkdirAll(elsewhere, 0o755))
	copied := exec.Command("bash", "-c", "git ls-files -co --exclude-standard | tar -cf - -T - | tar -xf - -C "+elsewhere)
	copied.Dir = root
	must(t, copied.Run())
	digest := func(root, name string) string {
		d, err := built(t, root, name).Digest()
		must(t, err)
		return d.String()
	}
	confirm, list := digest(root, "transfer-confirm"), digest(root, "transfer-list")
	if again := digest(elsewhere, "transfer-confirm"); again != confirm {
		t.Errorf("%s, and from another folder %s", confirm, again)
	}
	handler := filepath.Join(elsewhere, "functions/transfer/confirm/handler.go")
	text, err := os.ReadFile(handler)
	must(t, err)
	must(t, os.WriteFile(handler, append(text, "\n// Changed changes the program.\nvar Changed = Function.Spec.Name + Function.Spec.Summary\n"...), 0o600))
	if changed := digest(elsewhere, "transfer-confirm"); changed == confirm {
		t.Error("the change did not reach its image")
	}
	if other := digest(elsewhere, "transfer-list"); other != list {
		t.Errorf("the change of another function made %s of %s", other, list)
	}
}

// The command leaves a folder that holds anything else alone, and refuses an unknown
// name before it builds anything.
func TestRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	kept := filepath.Join(dir, "letter.txt")
	must(t, os.WriteFile(kept, []byte("x"), 0o600))
	if err := (options{root: root, out: dir, names: []string{"migrate"}, report: io.Discard}).run(); err == nil {
		t.Error("no error for a folder in use")
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if err := (options{root: root, out: t.TempDir(), names: []string{"transfer-confrim"}, report: io.Discard}).run(); err == nil {
		t.Error("no error for an unknown name")
	}
}

// The Component names each image by its place in the registry and its digest.
// test/platform/manifests renders the overlay of docs/knative.md with the same file.
func TestTheComponentOfARelease(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	must(t, writeComponent(out, "registry.example/tidebank", []pinned{
		{Name: "migrate", Digest: "sha256:" + strings.Repeat("0a", 32)}, {Name: "transfer-confirm", Digest: "sha256:" + strings.Repeat("1b", 32)},
	}))
	got, err := os.ReadFile(filepath.Join(out, "kustomization.yaml"))
	must(t, err)
	want, err := os.ReadFile("testdata/kustomization.yaml")
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("component:\n%s", got)
	}
}

// The list of sizes takes its place in a document, the largest program first, and leaves
// the rest of the document.
func TestTheListOfSizes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sizes.md")
	must(t, os.WriteFile(file, []byte("# Sizes\n"+sizesBegin+"old\n"+sizesEnd+"the end\n"), 0o600))
	images := []sized{{"small", 10_000_000, 4_000_000}, {"large", 20_660_000, 8_500_000}}
	must(t, writeSizes(file, "amd64", images))
	got, err := os.ReadFile(file)
	must(t, err)
	for _, part := range []string{
		"# Sizes\n" + sizesBegin + "2 images for linux/amd64, by go", "the programs have 10.0 to 20.7 MB, the compressed images 4.0 to 8.5 MB.\n",
		"| `large` | 20.7 | 8.5 |\n| `small` | 10.0 | 4.0 |\n" + sizesEnd + "the end\n",
	} {
		if !strings.Contains(string(got), part) {
			t.Errorf("no %q in:\n%s", part, got)
		}
	}
	must(t, os.WriteFile(file, []byte("# Sizes\n"), 0o600))
	if err := writeSizes(file, "amd64", images); !errors.Is(err, errNoList) {
		t.Errorf("a document without a place: %v", err)
	}
	if err := (options{root: root, out: t.TempDir(), sizes: file, names: []string{"migrate"}, report: io.Discard}).run(); err == nil {
		t.Error("no error for the sizes of one image")
	}
}

// A new build removes the Component of the earlier one: its digests are no longer in the
// layout. A Component of some images, or of two architectures, is refused.
func TestTheComponentIsOfThisBuild(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	o := options{root: root, out: out, platforms: []string{"amd64"}, names: []string{"migrate"}, report: io.Discard}
	must(t, o.run())
	must(t, writeComponent(out, "registry.example/tidebank", nil))
	must(t, o.run())
	if _, err := os.Stat(filepath.Join(out, "kustomization.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the earlier component: %v", err)
	}
	o.registry = "registry.example/tidebank"
	if err := o.run(); err == nil {
		t.Error("no error for a component of one image")
	}
	o.names, o.platforms = nil, []string{"amd64", "arm64"}
	if err := o.run(); err == nil {
		t.Error("no error for a component of two architectures")
	}
}
