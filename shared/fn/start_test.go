package fn_test

import (
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/proxytest"
)

// A process listens at once, also if its database is silent: it is alive and unready while
// the first connection is being opened, and ready when the database answers.
func TestAProcessListensBeforeItsDatabaseAnswers(t *testing.T) {
	t.Parallel()
	_, url := pgtest.NewURL(t)
	proxy, through := proxytest.To(t, url)
	proxy.SilenceAll()
	keyFile := filepath.Join(t.TempDir(), "keys")
	check.Must(t, keys.Create(keyFile))
	port := check.FreePort(t)
	cmd, log := process(t, "PORT="+port, "DATABASE_URL="+through, "REDIS_URL=redis://"+miniredis.RunT(t).Addr(),
		"KEYS_FILE="+keyFile, "FN_TRUSTED_PROXIES=none")
	base := "http://127.0.0.1:" + port
	check.Until(t, "health", func() bool { return status(t.Context(), base+"/_/health") == http.StatusOK })
	if proxy.Connections() > 1 {
		t.Error("the process listens only after it has given up its first connection")
	}
	if got := status(t.Context(), base+"/_/ready"); got != http.StatusServiceUnavailable {
		t.Errorf("ready says %d before the database has answered", got)
	}
	proxy.Heal()
	check.Until(t, "ready", func() bool { return status(t.Context(), base+"/_/ready") == http.StatusOK })
	check.Must(t, cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, log)
	}
}

// A function and a worker whose database can never be used end at once, without
// lingering, and say why.
func TestAProcessEndsIfItsDatabaseCanNeverBeUsed(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "keys")
	check.Must(t, keys.Create(keyFile))
	url := "DATABASE_URL=postgres://u:hunter2@" + proxytest.Pooler(t) + "/x?sslmode=disable"
	for name, env := range map[string][]string{
		"a function": {"REDIS_URL=redis://127.0.0.1:1", "KEYS_FILE=" + keyFile, "FN_TRUSTED_PROXIES=none", "FN_LINGER=5m"},
		"a worker":   {childMark + "=worker"},
	} {
		cmd, log := process(t, append(env, "PORT="+check.FreePort(t), url)...)
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: %v, want exit 1", name, err)
		}
		if text := log.String(); !strings.Contains(text, "connection pooler") || strings.Contains(text, "hunter2") {
			t.Errorf("%s says %s", name, text)
		}
	}
}
