package openfaas

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/openfaas/faas-provider/proxy"
	"github.com/openfaas/faas-provider/types"

	"github.com/tidebank/tidebank/test/check"
)

// provider is an OpenFaaS provider whose containers are processes. Its proxy is that of
// github.com/openfaas/faas-provider, which OpenFaaS' own providers use.
type provider struct {
	*httptest.Server
	t        *testing.T
	programs string
	folder   string // of secrets and logs

	mu      sync.Mutex
	secrets map[string][]byte
	running map[string]*url.URL
}

// nobody is the user of a container.
const nobody = 65532

func newProvider(t *testing.T) *provider {
	t.Helper()
	dir, err := built()
	must(t, err)
	p := &provider{t: t, programs: filepath.Join(dir, "bin"), secrets: map[string][]byte{}, running: map[string]*url.URL{}}
	p.folder, err = os.MkdirTemp("", "tidebank-provider-") // t.TempDir is closed to other users
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(p.folder) })
	must(t, os.Chmod(p.folder, 0o755))
	r := mux.NewRouter() // the routes of faas-provider's bootstrap package, which allows one server in a process
	r.HandleFunc("/system/functions", p.deploy).Methods(http.MethodPost)
	r.HandleFunc("/system/secrets", p.keep).Methods(http.MethodPost)
	config := types.FaaSConfig{ReadTimeout: time.Minute, WriteTimeout: time.Minute, MaxIdleConns: 64, MaxIdleConnsPerHost: 64}
	call := proxy.NewHandlerFunc(config, p, false)
	for _, route := range []string{"", "/", "/{params:.*}"} {
		r.HandleFunc("/function/{name:[-a-zA-Z_0-9.]+}"+route, call)
	}
	p.Server = httptest.NewServer(r)
	t.Cleanup(p.Close)
	return p
}

// Resolve finds a function for the proxy.
func (p *provider) Resolve(name string) (url.URL, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, _, _ = strings.Cut(name, ".")
	if u := p.running[name]; u != nil {
		return *u, nil
	}
	return url.URL{}, fmt.Errorf("%s is not deployed", name)
}

// keep stores a secret.
func (p *provider) keep(w http.ResponseWriter, r *http.Request) {
	var s types.Secret
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.secrets[s.Name] = []byte(s.Value)
	p.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

func (p *provider) deploy(w http.ResponseWriter, r *http.Request) {
	var d types.FunctionDeployment
	err := json.NewDecoder(r.Body).Decode(&d)
	if err == nil {
		err = p.start(d)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// mount writes the secrets that a deployment names, and no others, as files of one
// folder: readable by everybody in the container, as faas-netes mounts them.
func (p *provider) mount(d types.FunctionDeployment) (string, error) {
	folder := filepath.Join(p.folder, d.Service)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	mode := os.FileMode(0o644)
	if os.Geteuid() != 0 {
		mode = 0o600 // the container's user is this user, and not root's file is read
	}
	for _, name := range d.Secrets {
		p.mu.Lock()
		value, found := p.secrets[name]
		p.mu.Unlock()
		if !found {
			return "", fmt.Errorf("secret %s was not found", name)
		}
		if err := os.WriteFile(filepath.Join(folder, name), value, mode); err != nil {
			return "", err
		}
	}
	return folder, nil
}

// start runs the process of a deployment, and returns when it is ready.
func (p *provider) start(d types.FunctionDeployment) error {
	secrets, err := p.mount(d)
	if err != nil {
		return err
	}
	image, _, _ := strings.Cut(path.Base(d.Image), ":")
	port := check.FreePort(p.t)
	cmd := exec.Command(filepath.Join(p.programs, image))
	for key, value := range d.EnvVars {
		value = strings.ReplaceAll(value, "/var/openfaas/secrets", secrets)
		cmd.Env = append(cmd.Env, key+"="+strings.ReplaceAll(value, "http://gateway.openfaas:8080", p.URL))
	}
	// The stores of a test have no TLS, and the processes share one network.
	cmd.Env = append(cmd.Env, "PORT="+port, "FN_ADMIN_PORT=0", "FN_LINGER=0s", "FN_ALLOW_PLAINTEXT=true")
	log, err := os.Create(filepath.Join(p.folder, d.Service+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the log says why it ended
		close(ended)
	}()
	p.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	at := &url.URL{Scheme: "http", Host: "127.0.0.1:" + port}
	if err := p.await(at.String()+"/_/ready", ended); err != nil {
		return fmt.Errorf("%s: %w: %s", d.Service, err, p.log(d.Service))
	}
	p.mu.Lock()
	p.running[d.Service] = at
	p.mu.Unlock()
	return nil
}

func (p *provider) await(ready string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, ready, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ended:
			return fmt.Errorf("the process ended")
		case <-ctx.Done():
			return fmt.Errorf("not ready")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *provider) log(name string) []byte {
	text, _ := os.ReadFile(filepath.Join(p.folder, name+".log"))
	return text
}
