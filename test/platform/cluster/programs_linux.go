package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidebank/tidebank/infra/pgserver"
	"github.com/tidebank/tidebank/test/platform/record"
)

// group is a set of programs that one go command builds.
type group struct {
	name     string // the folder in build/cluster/bin
	module   string // folder of the go.mod, below test/platform/cluster
	packages []string
	flags    string            // of the linker
	rename   map[string]string // programs whose package has another name
}

func groups() []group {
	const eventing, serving, kubernetes = "knative.dev/eventing/cmd/", "knative.dev/serving/cmd/", "k8s.io/kubernetes/cmd/"
	return []group{
		{
			name: "kube", module: "kubernetes", flags: "-X k8s.io/component-base/version.gitVersion=v1.34.1",
			packages: []string{
				"go.etcd.io/etcd/server/v3", kubernetes + "kube-apiserver", kubernetes + "kube-controller-manager",
				kubernetes + "kube-scheduler", kubernetes + "kubelet", kubernetes + "kube-proxy", kubernetes + "kubectl",
			},
			rename: map[string]string{"server": "etcd"},
		},
		{
			name: "eventing", module: "knative", packages: []string{
				eventing + "broker/filter", eventing + "broker/ingress", eventing + "in_memory/channel_controller",
				eventing + "in_memory/channel_dispatcher", eventing + "controller", eventing + "mtchannel_broker",
				eventing + "mtping", eventing + "webhook",
			},
		},
		{
			name: "serving", module: "knative", packages: []string{
				serving + "activator", serving + "autoscaler", serving + "controller", serving + "queue", serving + "webhook",
			},
		},
		{name: "edge", module: "knative", packages: []string{"./kingress"}},
		{name: "dns", module: "dns", packages: []string{"."}},
		{name: "registry", module: "registry", packages: []string{"."}},
	}
}

// build makes all programs and images that are not there yet.
func build(ctx context.Context, p paths) error {
	if err := debian(ctx, p); err != nil {
		return err
	}
	for _, g := range groups() {
		if err := g.build(ctx, p); err != nil {
			return err
		}
	}
	if err := modules(ctx, p); err != nil {
		return err
	}
	if err := postgres(ctx, p); err != nil {
		return err
	}
	return bank(ctx, p)
}

// postgres tries PostgreSQL once: a machine without it downloads it, which the node can't.
func postgres(ctx context.Context, p paths) error {
	if _, err := os.Stat(p.postgres()); err == nil {
		return nil
	}
	server, err := pgserver.Start(ctx, pgserver.Config{Dir: p.postgres()})
	if err != nil {
		return errors.Join(err, os.RemoveAll(p.postgres()))
	}
	return server.Stop()
}

// modules notes where the files of Knative's modules are, to install them.
func modules(ctx context.Context, p paths) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}", "knative.dev/eventing", "knative.dev/serving",
		"knative.dev/networking", "knative.dev/caching")
	cmd.Dir = filepath.Join(p.repository(), "test/platform/cluster/knative")
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("modules of Knative: %w", err)
	}
	return os.WriteFile(filepath.Join(p.bin(), "modules"), text, 0o644)
}

// build builds the group unless its sources are those of the last build.
func (g group) build(ctx context.Context, p paths) error {
	module := filepath.Join(p.repository(), "test/platform/cluster", g.module)
	stamp, err := digest(module)
	if err != nil {
		return err
	}
	stamp += "\n" + strings.Join(g.packages, " ")
	out, file := filepath.Join(p.bin(), g.name), filepath.Join(p.bin(), g.name+".stamp")
	if old, err := os.ReadFile(file); err == nil && string(old) == stamp {
		return nil
	}
	say("build %s (only the first time)", g.name)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w " + g.flags, "-o", out + "/"}, g.packages...)
	if err := quietly(ctx, module, "go", args...); err != nil {
		return err
	}
	for from, to := range g.rename {
		if err := os.Rename(filepath.Join(out, from), filepath.Join(out, to)); err != nil {
			return err
		}
	}
	return os.WriteFile(file, []byte(stamp), 0o644)
}

// quietly runs a command at low priority, and shows its output only if it fails.
func quietly(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "10", program}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, args[0], err, text)
	}
	return nil
}

// digest sums up a module's own files.
func digest(module string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(module, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n", strings.TrimPrefix(path, module), len(text)) // a hash takes all
		sum.Write(text)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// bank builds the bank's images, and the programs of this repository that run beside
// them, unless the last build was of the same source. Tests are in no image.
func bank(ctx context.Context, p paths) error {
	stamp := p.program("bank.stamp")
	source, err := record.Source(ctx, p.repository(), "test", ".ci")
	if err != nil {
		return err
	}
	built := fmt.Sprint(source, nextEdits())
	if old, err := os.ReadFile(stamp); err == nil && source != record.Unknown && string(old) == built {
		return nil
	}
	say("build the bank's images, and those of a next release")
	if err := nextRelease(ctx, p); err != nil {
		return err
	}
	for out, args := range map[string][]string{p.images(): nil, p.nextImages(): {"--root", p.next()}} {
		args = append([]string{"run", ".", "--out", out}, args...)
		if err := quietly(ctx, filepath.Join(p.repository(), "infra/images"), "go", args...); err != nil {
			return err
		}
	}
	out := p.program("bank")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	err = quietly(ctx, p.repository(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out+"/",
		"./client/demo", "./infra/tide", "./test/platform/cluster/pause")
	if err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(built), 0o644)
}

// debianPrograms are what the cluster needs of the machine, and the packages that have it.
func debianPrograms() map[string]string {
	return map[string]string{
		"containerd": "containerd", "runc": "runc", "iptables-save": "iptables", "redis-server": "redis-server",
	}
}

// debian unpacks the Debian packages of programs that the machine lacks, below
// build/cluster. It installs nothing.
func debian(ctx context.Context, p paths) error {
	var missing []string
	for program, of := range debianPrograms() {
		if p.find(program) == "" {
			missing = append(missing, of)
		}
	}
	if p.cni() == "" {
		missing = append(missing, "containernetworking-plugins")
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	say("unpack %s", strings.Join(missing, ", "))
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine lacks %s, and has no apt-get to fetch it", strings.Join(missing, ", "))
	}
	archives := filepath.Join(p.folder, "archives")
	if err := os.MkdirAll(filepath.Join(archives, "partial"), 0o755); err != nil {
		return err
	}
	fetch := append([]string{
		"install", "-y", "-qq", "--no-install-recommends", "--download-only", "-o", "Dir::Cache::archives=" + archives,
	}, missing...)
	if err := quietly(ctx, "/", "apt-get", fetch...); err != nil {
		if again := quietly(ctx, "/", "apt-get", "update", "-qq"); again != nil {
			return errors.Join(err, again)
		}
		if err := quietly(ctx, "/", "apt-get", fetch...); err != nil {
			return err
		}
	}
	packages, _ := filepath.Glob(filepath.Join(archives, "*.deb")) // the pattern is well-formed
	for _, one := range packages {
		if err := quietly(ctx, "/", "dpkg", "-x", one, p.debian()); err != nil {
			return err
		}
	}
	return p.iptables()
}

// iptables makes the links that the package's installation would make.
func (p paths) iptables() error {
	const real = "xtables-nft-multi"
	dir := filepath.Join(p.debian(), "usr/sbin")
	if _, err := os.Stat(filepath.Join(dir, real)); err != nil {
		return nil // the machine has its own
	}
	for _, name := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"} {
		if err := os.Symlink(real, filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// folders lists where programs are: those of this command first.
func (p paths) folders() []string {
	list := []string{filepath.Join(p.bin(), "kube")}
	for _, dir := range []string{"usr/sbin", "usr/bin", "sbin", "bin"} {
		list = append(list, filepath.Join(p.debian(), dir))
	}
	return append(list, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
}

// find is the path of a program; empty if there is none.
func (p paths) find(program string) string {
	for _, dir := range p.folders() {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
	}
	return ""
}

// cni is the folder of the CNI plugins; empty if there is none.
func (p paths) cni() string {
	for _, dir := range []string{filepath.Join(p.debian(), "usr/lib/cni"), "/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"} {
		if _, err := os.Stat(filepath.Join(dir, "bridge")); err == nil {
			return dir
		}
	}
	return ""
}

// environment lets programs find each other, and the unpacked ones their libraries.
func (p paths) environment() []string {
	env := []string{
		"PATH=" + strings.Join(p.folders(), ":"), "KUBECONFIG=" + p.kubeconfig(), "HOME=" + p.run(), "LANG=C.UTF-8",
	}
	libraries, _ := filepath.Glob(filepath.Join(p.debian(), "usr/lib/*-linux-gnu*")) // the pattern is well-formed
	if len(libraries) > 0 {
		env = append(env, "LD_LIBRARY_PATH="+strings.Join(libraries, ":"), "XTABLES_LIBDIR="+filepath.Join(libraries[0], "xtables"))
	}
	return env
}
