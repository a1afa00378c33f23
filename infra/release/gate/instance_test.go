package gate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// pod is the part of a manifest that says where a process may write.
type pod struct {
	Containers []struct {
		Name     string `yaml:"name"`
		Security struct {
			ReadOnly bool `yaml:"readOnlyRootFilesystem"`
		} `yaml:"securityContext"`
	} `yaml:"containers"`
	Volumes []map[string]any `yaml:"volumes"`
}

// pods finds the pods of a document, however deep they are.
func pods(t *testing.T, n *yaml.Node) []pod {
	t.Helper()
	var list []pod
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Value == "containers" {
			var p pod
			check.Must(t, n.Decode(&p))
			list = append(list, p)
		}
		list = append(list, pods(t, child)...)
	}
	return list
}

// An upgrade replaces the image, which holds no other file than the declared ones, and
// an instance can't write: its root is read-only, and it has no volume to write to. So
// no upgrade package and no other intermediate file stays on it. A process that serves
// has also written nothing to its folder and to the folder for temporary files.
func TestNothingStaysOnAnInstance(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-012.5")
	var all []pod
	for _, name := range []string{"functions", "workers", "migrate"} {
		d := yaml.NewDecoder(strings.NewReader(read(t, root+"/infra/knative/base/"+name+".yaml")))
		for {
			var document yaml.Node
			if d.Decode(&document) != nil {
				break
			}
			all = append(all, pods(t, &document)...)
		}
	}
	for _, p := range req.AtLeast(t, 25, all) {
		for _, c := range req.AtLeast(t, 1, p.Containers) {
			if !c.Security.ReadOnly {
				t.Errorf("container %q can write to its root", c.Name)
			}
		}
		for _, v := range p.Volumes {
			for kind := range v {
				if kind != "name" && kind != "secret" && kind != "configMap" && kind != "projected" {
					t.Errorf("volume %v can be written", v)
				}
			}
		}
	}
	var stack struct {
		Functions map[string]struct {
			ReadOnly bool `yaml:"readonly_root_filesystem"`
		} `yaml:"functions"`
	}
	check.Must(t, yaml.Unmarshal([]byte(read(t, root+"/stack.yml")), &stack))
	if len(stack.Functions) < 25 {
		t.Errorf("stack.yml has %d functions", len(stack.Functions))
	}
	for name, f := range stack.Functions {
		if !f.ReadOnly {
			t.Errorf("%s can write to its root on OpenFaaS", name)
		}
	}
	b, err := build()
	check.Must(t, err)
	if _, _, list := judged(t, filepath.Join(b.folder, "bank")); len(list) > 0 {
		t.Error(list)
	}
	p := running(t)
	for _, folder := range []string{p.folder, p.temporary} {
		if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
			t.Errorf("the process has written %v, %v", entries, err)
		}
	}
}
