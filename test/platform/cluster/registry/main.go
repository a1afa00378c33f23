// Command registry is the container registry of the cluster of `make test-knative`.
//
//	registry ADDRESS STORE LAYOUT NEXT name=program ...
//
// It serves each image of the OCI layout LAYOUT (`make images`) as tidebank/<name>:v1,
// and each of NEXT, with another label, as :v2, a release to upgrade to: an image may be
// the same in both. Each program
// becomes an image tools/<name>:v1 with nothing else in it. It writes a line for each
// image, with its name, tag and digest, and then "ready". STORE is the folder of its blobs.
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const reference = "org.opencontainers.image.ref.name"

func main() {
	if len(os.Args) < 5 {
		log.Fatal("usage: registry ADDRESS STORE LAYOUT NEXT name=program ...")
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	go func() {
		if err := load(os.Args[1], os.Args[3], os.Args[4], os.Args[5:]); err != nil {
			log.Fatal(err)
		}
		fmt.Println("ready")
	}()
	log.Fatal(http.Serve(listener, registry.New(quiet, registry.WithBlobHandler(registry.NewDiskBlobHandler(os.Args[2])))))
}

func load(address, images, next string, programs []string) error {
	same := func(image v1.Image) (v1.Image, error) { return image, nil }
	if err := serve(address, images, "v1", same); err != nil {
		return err
	}
	if err := serve(address, next, "v2", labelled); err != nil {
		return err
	}
	for _, p := range programs {
		named, path, _ := strings.Cut(p, "=")
		image, err := alone(path)
		if err != nil {
			return err
		}
		if err := push(address+"/tools/"+named+":v1", image); err != nil {
			return err
		}
	}
	return nil
}

// serve pushes the images of a layout as one release.
func serve(address, folder, tag string, change func(v1.Image) (v1.Image, error)) error {
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, d := range manifest.Manifests {
		image, err := index.Image(d.Digest)
		if err != nil {
			return err
		}
		if image, err = change(image); err != nil {
			return err
		}
		if err := push(address+"/tidebank/"+d.Annotations[reference]+":"+tag, image); err != nil {
			return err
		}
	}
	return nil
}

// labelled is the next release of an image: the same program under another digest.
func labelled(image v1.Image) (v1.Image, error) {
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Config.Labels["org.opencontainers.image.version"] = "v2"
	return mutate.ConfigFile(image, config)
}

// alone makes an image of one static program, which a user without rights runs.
func alone(program string) (v1.Image, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	header := &tar.Header{Name: "app", Mode: 0o555, Size: int64(len(content)), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config = v1.Config{User: "65532:65532", Entrypoint: []string{"/app"}}
	return mutate.ConfigFile(image, config)
}

func push(at string, image v1.Image) error {
	to, err := name.ParseReference(at, name.Insecure)
	if err != nil {
		return err
	}
	if err := remote.Write(to, image); err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	fmt.Println(to.Context().RepositoryStr(), to.Identifier(), digest)
	return nil
}
