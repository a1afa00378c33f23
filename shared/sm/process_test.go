package sm_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// program builds a function's own program, linked as asked.
func program(t *testing.T, ldflags string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "channel-open")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags="+ldflags, "-o", path,
		"github.com/tidebank/tidebank/infra/mains/channel-open")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// served is a function's process: where it would listen, what it says, when it ended.
type served struct {
	base  string
	log   *bytes.Buffer
	cmd   *exec.Cmd
	ended chan struct{}
}

func start(t *testing.T, program, keyFile string) served {
	t.Helper()
	port := check.FreePort(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	s := served{base: "http://127.0.0.1:" + port, log: &bytes.Buffer{}, cmd: exec.CommandContext(ctx, program), ended: make(chan struct{})}
	s.cmd.Env = []string{
		"PORT=" + port, "KEYS_FILE=" + keyFile, "DATABASE_URL=postgres://nobody@127.0.0.1:1/none",
		"REDIS_URL=redis://" + miniredis.RunT(t).Addr(), "FN_ALLOW_PLAINTEXT=true", "FN_TRUSTED_PROXIES=none",
	}
	s.cmd.Stderr = s.log
	check.Must(t, s.cmd.Start())
	go func() {
		_ = s.cmd.Wait() // how it ended is in ProcessState
		close(s.ended)
	}()
	t.Cleanup(func() { cancel(); <-s.ended })
	return s
}

// answers tries a request again and again until it is answered or the process ends.
func (s served) answers(t *testing.T) bool {
	t.Helper()
	client, err := channel.NewClient("device-1")
	check.Must(t, err)
	hello := check.JSON(t, client.Hello())
	for {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/function/channel-open", bytes.NewReader(hello))
		check.Must(t, err)
		if reply, err := http.DefaultClient.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, reply.Body)
			_ = reply.Body.Close() // has been read
			return reply.StatusCode == http.StatusOK
		}
		select {
		case <-s.ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// newKeyFile is a file of good keys.
func newKeyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(file))
	return file
}

// wantRefused checks that a process ends by itself, logs why and answers no request.
func wantRefused(t *testing.T, what string, s served, why string) {
	t.Helper()
	if s.answers(t) {
		t.Errorf("%s: it serves", what)
		return
	}
	<-s.ended
	if s.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(s.log.String(), why) {
		t.Errorf("%s: it ended with %v and says %s, want %q", what, s.cmd.ProcessState, s.log, why)
	}
}

// A program tests the module when it starts, each time, before it listens: with one
// wrong known answer linked into it, it ends; with the right one it serves.
func TestAProgramTestsTheModuleBeforeItServes(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-005.1", "CRYPTO-005.2")
	file := newKeyFile(t)
	broken := program(t, "-X github.com/tidebank/tidebank/shared/sm.digestAnswer="+strings.Repeat("00", 32))
	good := program(t, "")
	for range 2 { // each cold start
		wantRefused(t, "a broken answer", start(t, broken, file), "self-test: integrity: SM3 known answer")
		if s := start(t, good, file); !s.answers(t) {
			t.Errorf("the good program does not serve: %s", s.log)
		}
	}
}

// The one configuration that names algorithms is the key file: its pairs and its
// certificate do. One that is not on the list, SM2, keeps the program from starting.
func TestAKeyFileOfAnotherAlgorithm(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-002.2")
	good := program(t, "")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check.Must(t, err)
	pair, err := x509.MarshalPKCS8PrivateKey(key)
	check.Must(t, err)
	for _, purpose := range []string{"channel", "password"} {
		file := newKeyFile(t)
		raw, err := os.ReadFile(file)
		check.Must(t, err)
		var content map[string]any
		check.Must(t, json.Unmarshal(raw, &content))
		var root struct {
			Root []byte `json:"root"`
		}
		check.Must(t, json.Unmarshal(raw, &root))
		sealed, err := sm.Seal(sm.Key(root.Root), pair, []byte(purpose))
		check.Must(t, err)
		pairs, ok := content["pairs"].(map[string]any)
		if !ok || pairs[purpose] == nil {
			t.Fatalf("the key file holds no pair for %s", purpose)
		}
		pairs[purpose] = sealed
		changed := check.JSON(t, content)
		check.Must(t, os.WriteFile(file, changed, 0o600))
		wantRefused(t, purpose, start(t, good, file), "sm: not a key of this kind")
	}
	if _, err := sm.ParsePrivateKey(pair); !errors.Is(err, sm.ErrKey) {
		t.Errorf("a key of P-256: %v", err)
	}
}
