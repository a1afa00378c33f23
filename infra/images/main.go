// Command images builds one image for each function and worker, and one for the
// migrations, as an OCI layout. It needs no Docker.
//
//	go run . --out ../../build/images [--push registry.example/tidebank --tag v1] [name ...]
//
// With a registry (--push, or --registry without pushing) it also writes
// kustomization.yaml into the folder: a kustomize Component that names all images by digest.
// With --sizes it writes the list of their sizes into a document (docs/sizes.md).
//
// An image has one static binary, the root certificates and a list of its modules
// (SBOM), and no shell. The same source gives the same digest; a change to one function
// changes one image.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/spf13/cobra"
)

// options are the command's flags.
type options struct {
	root, out     string
	sizes         string // the document that lists the sizes; empty: none is written
	registry, tag string // registry: of the Component; empty: none is written
	push          bool
	insecure      bool
	platforms     []string
	names         []string // empty: all
	report        io.Writer
}

func main() {
	o := options{report: os.Stdout}
	var pushTo string
	root := &cobra.Command{
		Use: "images [name ...]", Short: "Build the bank's container images without Docker", SilenceUsage: true,
		RunE: func(_ *cobra.Command, args []string) error {
			o.names = args
			if pushTo != "" {
				o.registry, o.push = pushTo, true
			}
			return o.run()
		},
	}
	root.Flags().StringVar(&o.root, "root", "../..", "the bank's source")
	root.Flags().StringVar(&o.out, "out", "../../build/images", "the folder of the OCI layout")
	root.Flags().StringVar(&pushTo, "push", "", "also push to this registry and folder, e.g. registry.example/tidebank")
	root.Flags().StringVar(&o.registry, "registry", "", "push nothing; write kustomization.yaml for images that are pushed there later")
	root.MarkFlagsMutuallyExclusive("push", "registry")
	root.Flags().StringVar(&o.sizes, "sizes", "", "write the list of sizes into this document")
	root.Flags().StringVar(&o.tag, "tag", "latest", "the tag of pushed images; deployments name digests")
	root.Flags().BoolVar(&o.insecure, "insecure", false, "push over HTTP, for a registry on this machine")
	root.Flags().StringSliceVar(&o.platforms, "arch", []string{runtime.GOARCH}, "architectures of linux: amd64, arm64")
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}

func (o options) run() error {
	targets, err := targets(o.root)
	if err != nil {
		return err
	}
	for _, wanted := range o.names {
		if !slices.ContainsFunc(targets, func(t target) bool { return t.Name == wanted }) {
			return fmt.Errorf("there is no function, worker or job %q", wanted)
		}
	}
	// A Component of some images would leave the others without a place, and it has one
	// digest for each name.
	whole := len(o.names) == 0 && len(o.platforms) == 1
	if o.registry != "" && !o.push && !whole {
		return fmt.Errorf("--registry names all images of one architecture; leave out the names, and give one --arch")
	}
	if o.sizes != "" && !whole {
		return fmt.Errorf("--sizes lists all images of one architecture; leave out the names, and give one --arch")
	}
	path, err := emptied(o.out)
	if err != nil {
		return err
	}
	var images []pinned
	var sizes []sized
	for _, t := range targets {
		if len(o.names) > 0 && !slices.Contains(o.names, t.Name) {
			continue
		}
		for _, arch := range o.platforms {
			digest, size, err := o.one(path, t, arch)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
			images, sizes = append(images, pinned{Name: t.Name, Digest: digest}), append(sizes, size)
		}
	}
	if o.sizes != "" {
		if err := writeSizes(o.sizes, o.platforms[0], sizes); err != nil {
			return err
		}
	}
	if o.registry == "" || !whole {
		return nil
	}
	return writeComponent(o.out, o.registry, images)
}

// emptied makes an empty layout. It replaces an earlier layout, and nothing else.
func emptied(folder string) (layout.Path, error) {
	old, err := os.ReadDir(folder)
	if err == nil && len(old) > 0 {
		if _, err := os.Stat(filepath.Join(folder, "oci-layout")); err != nil {
			return "", fmt.Errorf("%s holds other files than images; name an empty folder", folder)
		}
		if err := os.RemoveAll(filepath.Join(folder, "blobs")); err != nil {
			return "", fmt.Errorf("layout: %w", err)
		}
		if err := os.RemoveAll(filepath.Join(folder, componentFile)); err != nil {
			return "", fmt.Errorf("layout: %w", err)
		}
	}
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return "", fmt.Errorf("layout: %w", err)
	}
	return path, nil
}

// one builds, stores and, if asked, pushes the image of one target. It returns the
// digest and the sizes.
func (o options) one(path layout.Path, t target, arch string) (string, sized, error) {
	binary, err := t.build(o.root, arch)
	if err != nil {
		return "", sized{}, err
	}
	image, err := assemble(t.Name, arch, binary)
	if err != nil {
		return "", sized{}, err
	}
	reference := t.Name
	if len(o.platforms) > 1 {
		reference += "-" + arch
	}
	err = path.ReplaceImage(image, named(reference), layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": reference,
	}), layout.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
	if err != nil {
		return "", sized{}, fmt.Errorf("store: %w", err)
	}
	digest, err := image.Digest()
	if err != nil {
		return "", sized{}, fmt.Errorf("digest: %w", err)
	}
	size := sized{Name: t.Name, Program: int64(len(binary))}
	if size.Compressed, err = compressed(image); err != nil {
		return "", sized{}, err
	}
	_, _ = fmt.Fprintf(o.report, "%-24s %-6s %5.1f MB, %5.1f MB compressed  %s\n",
		t.Name, arch, megabytes(size.Program), megabytes(size.Compressed), digest)
	return digest.String(), size, o.upload(image, reference)
}

func (o options) upload(image v1.Image, reference string) error {
	if !o.push {
		return nil
	}
	var how []name.Option
	if o.insecure {
		how = append(how, name.Insecure)
	}
	to, err := name.ParseReference(o.registry+"/"+reference+":"+o.tag, how...)
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	if err := remote.Write(to, image); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	return nil
}

// named finds the image of a reference in the layout.
func named(reference string) func(v1.Descriptor) bool {
	return func(d v1.Descriptor) bool { return d.Annotations["org.opencontainers.image.ref.name"] == reference }
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

// targets lists what has an image: each folder of infra/mains, and the migrations.
func targets(root string) ([]target, error) {
	entries, err := os.ReadDir(filepath.Join(root, "infra", "mains"))
	if err != nil {
		return nil, fmt.Errorf("mains: %w", err)
	}
	list := []target{{Name: "migrate", Package: "./infra/migrations/migrate"}}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			list = append(list, target{Name: e.Name(), Package: "./infra/mains/" + e.Name()})
		}
	}
	return list, nil
}
