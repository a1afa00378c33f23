// Command images builds one image for each function and worker, and one for the
// migrations, as an OCI layout. It needs no Docker.
//
//	go run . --out ../../build/images [--push registry.example/tidebank --tag v1] [name ...]
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
	registry, tag string
	insecure      bool
	platforms     []string
	names         []string // empty: all
	report        io.Writer
}

func main() {
	o := options{report: os.Stdout}
	root := &cobra.Command{
		Use: "images [name ...]", Short: "Build the bank's container images without Docker", SilenceUsage: true,
		RunE: func(_ *cobra.Command, args []string) error {
			o.names = args
			return o.run()
		},
	}
	root.Flags().StringVar(&o.root, "root", "../..", "the bank's source")
	root.Flags().StringVar(&o.out, "out", "../../build/images", "the folder of the OCI layout")
	root.Flags().StringVar(&o.registry, "push", "", "also push to this registry and folder, e.g. registry.example/tidebank")
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
	path, err := emptied(o.out)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if len(o.names) > 0 && !slices.Contains(o.names, t.Name) {
			continue
		}
		for _, arch := range o.platforms {
			if err := o.one(path, t, arch); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
	}
	return nil
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
	}
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return "", fmt.Errorf("layout: %w", err)
	}
	return path, nil
}

// one builds, stores and, if asked, pushes the image of one target.
func (o options) one(path layout.Path, t target, arch string) error {
	binary, err := t.build(o.root, arch)
	if err != nil {
		return err
	}
	image, err := assemble(t.Name, arch, binary)
	if err != nil {
		return err
	}
	reference := t.Name
	if len(o.platforms) > 1 {
		reference += "-" + arch
	}
	err = path.ReplaceImage(image, named(reference), layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": reference,
	}), layout.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	digest, err := image.Digest()
	if err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	size, err := compressed(image)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(o.report, "%-24s %-6s %5.1f MB, %5.1f MB compressed  %s\n",
		t.Name, arch, megabytes(int64(len(binary))), megabytes(size), digest)
	return o.push(image, reference)
}

func (o options) push(image v1.Image, reference string) error {
	if o.registry == "" {
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
