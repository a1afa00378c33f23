package main

import (
	"context"
	"embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"
)

// Addresses of the node, which only its own namespace has.
const (
	address  = "10.88.0.1"
	registry = address + ":5000"
	desk     = address + ":7080" // the developer page and the controls of the stores
	edge     = address           // of the ingress, at port 80
	services = "10.96.0.0/16"
	clients  = 60 // addresses 10.88.0.10 and following, from which customers call
)

// beInit is the first process of the namespaces. It makes the file system private and
// starts the node. As their first process it also takes in all orphans.
func beInit(args []string) error {
	self, folder := args[0], args[1]
	if err := private(paths{folder}); err != nil {
		return err
	}
	node, err := os.StartProcess(self, []string{self, partNode, folder}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
	if err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid == node.Pid {
			return fmt.Errorf("the node ended: %v", status)
		}
	}
}

// private makes the mounts of the cluster, which nobody outside sees.
func private(p paths) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	mounts := []struct{ kind, at, options string }{
		{"proc", "/proc", ""},
		{"tmpfs", "/run", "mode=0755"},
		{"tmpfs", "/var/log", "mode=0755"},
		{"overlay", "/var/lib", "lowerdir=/var/lib,upperdir=/run/var-lib/upper,workdir=/run/var-lib/work"},
	}
	for _, m := range mounts {
		if m.kind == "overlay" {
			for _, dir := range []string{"/run/var-lib/upper", "/run/var-lib/work", "/run/netns", "/run/containerd"} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
		}
		if err := syscall.Mount(m.kind, m.at, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	if err := syscall.Sethostname([]byte("node1")); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(p.run(), "config"), 0o755); err != nil {
		return err
	}
	names := filepath.Join(p.run(), "config/resolv.conf")
	if err := os.WriteFile(names, []byte("nameserver "+address+"\noptions timeout:1 attempts:2\n"), 0o644); err != nil {
		return err
	}
	if err := syscall.Mount(names, "/etc/resolv.conf", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount resolv.conf: %w", err)
	}
	return nil
}

// node is the machine on which the cluster runs.
type node struct {
	paths
	mu     sync.Mutex
	failed chan error
}

// beNode brings the cluster up, says so, and stays.
func beNode(folder string) error {
	n := &node{paths: paths{folder}, failed: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	up := make(chan error, 1)
	go func() { up <- n.bringUp(ctx) }()
	for {
		select {
		case err := <-n.failed:
			return err
		case err := <-up:
			if err != nil {
				return err
			}
			if err := os.WriteFile(n.up(), nil, 0o644); err != nil {
				return err
			}
		}
	}
}

func (n *node) bringUp(ctx context.Context) error {
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"network", n.network},
		{"registry", n.serveImages},
		{"Kubernetes", n.kubernetes},
		{"stores", n.stores},
		{"Knative", n.knative},
		{"ingress", n.ingress},
	}
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		say("%s", s.what)
	}
	return nil
}

// network makes a bridge for the pods, and addresses for the node and the customers.
func (n *node) network(ctx context.Context) error {
	commands := []string{
		"link set lo up", "link add br0 type bridge", "addr add " + address + "/16 dev br0", "link set br0 up",
		"route add " + services + " dev br0",
	}
	for i := range clients {
		commands = append(commands, fmt.Sprintf("addr add %s/16 dev br0", clientAddress(i)))
	}
	for _, c := range commands {
		if text, err := exec.CommandContext(ctx, "ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", c, err, text)
		}
	}
	for _, key := range []string{"ipv4/ip_forward", "bridge/bridge-nf-call-iptables"} {
		if err := os.WriteFile("/proc/sys/net/"+key, []byte("1"), 0o644); err != nil {
			return err
		}
	}
	return n.makeCgroups()
}

// clientAddress is the address of one customer.
func clientAddress(i int) string { return fmt.Sprintf("10.88.0.%d", 10+i%clients) }

//go:embed config
var configs embed.FS

// configure writes the configuration files with the places of this run.
func (n *node) configure() error {
	values := map[string]string{
		"Run": n.run(), "Registry": registry, "CNI": n.cni(), "Cgroup": n.cgroup(), "Address": address,
	}
	for name, to := range map[string]string{
		"containerd.toml": "config/containerd.toml", "kubelet.yaml": "config/kubelet.yaml", "Corefile": "config/Corefile",
		"cni.conflist": "config/cni/10-bridge.conflist", "hosts.toml": "config/registries/" + registry + "/hosts.toml",
		"kubeconfig.yaml": "kubeconfig",
	} {
		t, err := template.ParseFS(configs, "config/"+name)
		if err != nil {
			return err
		}
		path := filepath.Join(n.run(), to)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		var text strings.Builder
		if err := t.Execute(&text, values); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// start runs a part of the cluster. The node ends if a part ends.
func (n *node) start(name, program string, args ...string) error {
	log, err := os.Create(filepath.Join(n.logs(), name+".log"))
	if err != nil {
		return err
	}
	path := n.find(program)
	if strings.Contains(program, "/") {
		path = n.program(program)
	}
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = n.environment(), log, log, "/"
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		err := cmd.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		select {
		case n.failed <- fmt.Errorf("%s ended: %w", name, err):
		default: // another part ended first
		}
	}()
	return nil
}

// serveImages starts the registry, and waits until it has all images.
func (n *node) serveImages(ctx context.Context) error {
	args := []string{registry, filepath.Join(n.run(), "registry"), n.images(), n.nextImages(), "pause=" + n.program("bank/pause")}
	for _, g := range groups() {
		if g.name != "eventing" && g.name != "serving" {
			continue
		}
		for _, one := range g.packages {
			base := filepath.Base(one)
			args = append(args, g.name+"-"+base+"="+n.program(g.name+"/"+base))
		}
	}
	if err := n.configure(); err != nil {
		return err
	}
	if err := os.MkdirAll(args[1], 0o755); err != nil {
		return err
	}
	if err := n.start("registry", "registry/registry", args...); err != nil {
		return err
	}
	return until(ctx, 3*time.Minute, "the registry has all images", func() (bool, error) {
		text, err := os.ReadFile(n.digests())
		return strings.HasSuffix(string(text), "ready\n"), err
	})
}

// until polls until done returns true, or an error at the end of the time.
func until(ctx context.Context, within time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		ok, err := done()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return fmt.Errorf("not within %s: %s: %w", within, what, err)
			}
			return fmt.Errorf("not within %s: %s", within, what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// listens reports whether somebody listens at a TCP address.
func listens(ctx context.Context, at string) (bool, error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", at)
	if err != nil {
		return false, err
	}
	return true, conn.Close()
}
