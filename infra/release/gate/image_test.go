package gate_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// judged checks a layout by the real plan.
func judged(t *testing.T, folder string) ([]gate.Image, []gate.Bill, []gate.Problem) {
	t.Helper()
	plan, _, err := gate.LoadPlan(root)
	check.Must(t, err)
	images, bills, list, err := gate.CheckImages(folder, plan.Images)
	check.Must(t, err)
	return images, bills, list
}

// The images that the bank builds today hold the program and the declared files, on the
// recorded base, and their bills list what is in them.
func TestTheBanksImages(t *testing.T) {
	t.Parallel()
	b, err := build()
	check.Must(t, err)
	images, bills, list := judged(t, filepath.Join(b.folder, "bank"))
	if len(list) > 0 || len(images) != 2 {
		t.Fatal(images, list)
	}
	for _, b := range bills {
		if len(b.Components) < 5 {
			t.Errorf("%s has %d components", b.Metadata.Component.Name, len(b.Components))
		}
	}
}

// changedImage is a copy of the layout in which a test changes the files of each layer of
// captcha-issue.
type changedImage struct {
	folder string
	layer  func(i int, files map[string][]byte)
}

type blobs struct {
	t      *testing.T
	folder string
}

func (b blobs) read(digest string) []byte {
	return []byte(read(b.t, filepath.Join(b.folder, "blobs/sha256", strings.TrimPrefix(digest, "sha256:"))))
}

// digest is the digest of an image's manifest.
func (b blobs) digest(image string) string {
	var index struct {
		Manifests []struct {
			Digest      string            `json:"digest"`
			Annotations map[string]string `json:"annotations"`
		} `json:"manifests"`
	}
	check.Must(b.t, json.Unmarshal([]byte(read(b.t, b.folder+"/index.json")), &index))
	for _, m := range index.Manifests {
		if m.Annotations["org.opencontainers.image.ref.name"] == image {
			return m.Digest
		}
	}
	b.t.Fatalf("no image %s", image)
	return ""
}

func (b blobs) write(text []byte) string {
	sum := sha256.Sum256(text)
	name := hex.EncodeToString(sum[:])
	write(b.t, filepath.Join(b.folder, "blobs/sha256", name), string(text))
	return "sha256:" + name
}

func (b blobs) json(digest string) (value map[string]any) {
	check.Must(b.t, json.Unmarshal(b.read(digest), &value))
	return value
}

// make writes the changed copy and returns its folder.
func (c changedImage) make(t *testing.T) string {
	t.Helper()
	c.folder = t.TempDir()
	check.Must(t, os.CopyFS(c.folder, os.DirFS(layout(t))))
	b := blobs{t, c.folder}
	var index map[string]any
	check.Must(t, json.Unmarshal([]byte(read(t, c.folder+"/index.json")), &index))
	for _, entry := range index["manifests"].([]any) {
		d := entry.(map[string]any)
		if d["annotations"].(map[string]any)["org.opencontainers.image.ref.name"] != "captcha-issue" {
			continue
		}
		manifest := b.json(d["digest"].(string))
		reference := manifest["config"].(map[string]any)
		config := b.json(reference["digest"].(string))
		diffs := config["rootfs"].(map[string]any)["diff_ids"].([]any)
		for i, l := range manifest["layers"].([]any) {
			files := unpack(t, b.read(l.(map[string]any)["digest"].(string)))
			c.layer(i, files)
			packed, diff := pack(t, files)
			l.(map[string]any)["digest"], diffs[i] = b.write(packed), diff
		}
		reference["digest"] = b.write(check.JSON(t, config))
		d["digest"] = b.write(check.JSON(t, manifest))
	}
	write(t, c.folder+"/index.json", string(check.JSON(t, index)))
	return c.folder
}

func unpack(t *testing.T, packed []byte) map[string][]byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	check.Must(t, err)
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			return files
		}
		files[h.Name], err = io.ReadAll(r)
		check.Must(t, err)
	}
}

func pack(t *testing.T, files map[string][]byte) (packed []byte, diff string) {
	t.Helper()
	var plain, out bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, name := range []string{"etc/ssl/certs/ca-certificates.crt", "app", "sbom.cdx.json"} {
		if text, ok := files[name]; ok {
			check.Must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o444, Size: int64(len(text)), Typeflag: tar.TypeReg}))
			_, err := w.Write(text)
			check.Must(t, err)
		}
	}
	for name, text := range files {
		if strings.HasPrefix(name, "link:") {
			link := &tar.Header{Name: strings.TrimPrefix(name, "link:"), Linkname: string(text), Typeflag: tar.TypeSymlink}
			check.Must(t, w.WriteHeader(link))
		} else if name != "app" && name != "sbom.cdx.json" && !strings.HasSuffix(name, ".crt") {
			check.Must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o555, Size: int64(len(text)), Typeflag: tar.TypeReg}))
			_, err := w.Write(text)
			check.Must(t, err)
		}
	}
	check.Must(t, w.Close())
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	check.Must(t, err)
	_, err = z.Write(plain.Bytes())
	check.Must(t, err)
	check.Must(t, z.Close())
	sum := sha256.Sum256(plain.Bytes())
	return out.Bytes(), "sha256:" + hex.EncodeToString(sum[:])
}

// An image with another file, another base, an incomplete bill, or test code and test
// data is refused.
func TestWrongImages(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-020.1", "CLOUD-020.2", "CLOUD-020.3", "CLOUD-012.1", "CLOUD-012.3")
	top := func(change func(files map[string][]byte)) func(int, map[string][]byte) {
		return func(i int, files map[string][]byte) {
			if i == 1 {
				change(files)
			}
		}
	}
	bill := func(old, other string) func(int, map[string][]byte) {
		return top(func(f map[string][]byte) {
			f["sbom.cdx.json"] = []byte(strings.Replace(string(f["sbom.cdx.json"]), old, other, 1))
		})
	}
	add := func(name, text string) func(int, map[string][]byte) {
		return top(func(f map[string][]byte) { f[name] = []byte(text) })
	}
	otherBase := func(_ int, f map[string][]byte) { f["etc/ssl/certs/ca-certificates.crt"] = []byte("x") }
	for name, c := range map[string]struct {
		layer func(int, map[string][]byte)
		want  string
	}{
		"a document":        {add("README.md", "x"), "captcha-issue holds README.md, which is not declared"},
		"a compiler":        {add("usr/local/go/bin/go", "x"), "captcha-issue holds usr/local/go/bin/go, which is not declared"},
		"a shell":           {add("bin/sh", "x"), "captcha-issue holds bin/sh, which is not declared"},
		"a package":         {add("upgrade-1.1.tar.gz", "x"), "captcha-issue holds upgrade-1.1.tar.gz"},
		"a path upwards":    {add("../etc/passwd", "x"), "captcha-issue holds etc/passwd"},
		"a link":            {add("link:bin", "/app"), "captcha-issue holds bin, which is no plain file"},
		"no program":        {top(func(f map[string][]byte) { delete(f, "app") }), "captcha-issue does not hold app"},
		"another base":      {otherBase, "the base of captcha-issue is sha256:"},
		"a module less":     {bill(`"name": "github.com/dchest/captcha"`, `"name": "x"`), "does not list github.com/dchest/captcha v1.1.0"},
		"an old version":    {bill(`"version": "v1.1.0"`, `"version": "v1.0.0"`), "does not list github.com/dchest/captcha v1.1.0"},
		"no Go":             {bill(`"name": "stdlib"`, `"name": "x"`), "does not list stdlib go1."},
		"no certificates":   {bill(`"location": "etc/ssl`, `"location": "x`), "no component for the file etc/ssl/certs"},
		"no bill":           {add("sbom.cdx.json", "x"), "captcha-issue has no bill of materials"},
		"no program at all": {add("app", "#!/bin/sh"), "the program of captcha-issue does not name its modules"},
		"a test helper":     {appended("github.com/tidebank/tidebank/test/bank.New"), "app holds github.com/tidebank/tidebank/test/"},
		"seed data":         {appended("github.com/tidebank/tidebank/localstack/seed.Add"), "/tidebank/localstack"},
		"a test account":    {appended("13800010001"), "app holds the test number 13800010001"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, list := judged(t, changedImage{layer: c.layer}.make(t))
			for _, p := range list {
				if p.Rule == "image" && strings.Contains(p.What, c.want) {
					return
				}
			}
			t.Errorf("got %v, want %q", list, c.want)
		})
	}
	// The change itself is no fault.
	if _, _, list := judged(t, changedImage{layer: func(int, map[string][]byte) {}}.make(t)); len(list) > 0 {
		t.Error(list)
	}
}

// A blob that was changed under its digest is an error.
func TestADamagedLayout(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	check.Must(t, os.CopyFS(folder, os.DirFS(layout(t))))
	paths, err := filepath.Glob(folder + "/blobs/sha256/*")
	check.Must(t, err)
	for _, path := range paths {
		check.Must(t, os.Chmod(path, 0o600))
		write(t, path, read(t, path)+"x")
	}
	plan, _, err := gate.LoadPlan(root)
	check.Must(t, err)
	if _, _, _, err := gate.CheckImages(folder, plan.Images); err == nil {
		t.Error("changed blobs were taken")
	}
	if _, _, _, err := gate.CheckImages(t.TempDir(), plan.Images); err == nil {
		t.Error("no layout was taken")
	}
}
