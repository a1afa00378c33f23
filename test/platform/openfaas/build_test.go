package openfaas

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openfaas/go-sdk/builder"
	"github.com/openfaas/go-sdk/stack"
)

// built is the folder with the programs of all processes, compiled in a build context of
// stack.yml, and of the demo. Other users may read it.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tidebank-openfaas-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, err
	}
	s, err := stack.ParseYAMLFile(standard, "", "", true)
	if err != nil {
		return dir, err
	}
	const one = "transfer-confirm"
	context, err := buildContext(s, one, dir)
	if err != nil {
		return dir, err
	}
	if err := compile(context, filepath.Join(dir, "bin")+"/", "./infra/mains/..."); err != nil {
		return dir, err
	}
	return dir, compile(".", filepath.Join(dir, "bin", "demo"), "./client/demo")
})

func removeBuilt() {
	if dir, _ := built(); dir != "" {
		_ = os.RemoveAll(dir) // it is a temporary folder
	}
}

// buildContext makes the folder that faas-cli gives to the builder of images.
func buildContext(s *stack.Services, name, dir string) (string, error) {
	f := s.Functions[name]
	return builder.CreateBuildContext(name, f.Handler, f.Language, s.StackConfiguration.CopyExtraPaths,
		builder.WithBuildDir(filepath.Join(dir, "contexts")))
}

// compile runs the Dockerfile's command.
func compile(dir, out, packages string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, packages)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build in %s: %w: %s", dir, err, output)
	}
	return nil
}

// digest is one of every file below a folder.
func digest(t *testing.T, dir string) string {
	t.Helper()
	sum := sha256.New()
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		_, _ = fmt.Fprintf(sum, "%s %x\n", strings.TrimPrefix(path, dir), sha256.Sum256(text)) // a hash takes everything
		return err
	}))
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// Every process has the same build context, and every program compiles in it.
func TestBuildContexts(t *testing.T) {
	t.Parallel()
	programs, err := built()
	must(t, err)
	for _, name := range mains(t) {
		if _, err := os.Stat(filepath.Join(programs, "bin", name)); err != nil {
			t.Error(err)
		}
	}
	whole, part := parsed(t, standard), parsed(t, community)
	if !slices.Equal(whole.StackConfiguration.CopyExtraPaths, part.StackConfiguration.CopyExtraPaths) {
		t.Error("the stacks copy other folders")
	}
	want := digest(t, filepath.Join(programs, "contexts", "transfer-confirm"))
	dir := t.TempDir()
	for name := range whole.Functions {
		context, err := buildContext(whole, name, dir)
		must(t, err)
		if got := digest(t, context); got != want {
			t.Errorf("%s has another context", name)
		}
		must(t, os.RemoveAll(context))
	}
	for name, f := range part.Functions {
		if f.Handler != whole.Functions[name].Handler {
			t.Errorf("%s is built of %s", name, f.Handler)
		}
	}
	dockerfile, err := os.ReadFile("infra/openfaas/Dockerfile")
	must(t, err)
	for _, line := range []string{"FROM scratch\n", "USER 65532:65532\n", "ENTRYPOINT [\"/app\"]\n", "./infra/mains/${PROCESS}\n"} {
		if strings.Count(string(dockerfile), line) != 1 {
			t.Errorf("the Dockerfile has no line with %q", line)
		}
	}
}
