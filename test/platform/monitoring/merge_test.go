package monitoring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/req"
)

// message is what Alertmanager sends to a receiver.
type message struct {
	Receiver string            `json:"receiver"`
	Labels   map[string]string `json:"groupLabels"`
	Alerts   []struct {
		Status string            `json:"status"`
		Labels map[string]string `json:"labels"`
	} `json:"alerts"`
}

// duty is a running Alertmanager with the bank's configuration, and its receivers.
type duty struct {
	address string
	mu      sync.Mutex
	got     []message
}

// startDuty runs Alertmanager. Only the addresses of the receivers and the waits are the
// test's own.
func startDuty(t *testing.T) *duty {
	t.Helper()
	d := &duty{}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var m message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.got = append(d.got, m)
	}))
	t.Cleanup(receiver.Close)
	dir := t.TempDir()
	raw, err := os.ReadFile(folder + "/alertmanager.yml")
	must(t, err)
	for _, name := range []string{"on-duty-url", "tickets-url"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(receiver.URL), 0o600))
	}
	text := strings.ReplaceAll(string(raw), "/etc/alertmanager/secrets", dir)
	for own, short := range map[string]string{"group_wait: 30s": "group_wait: 2s", "group_interval: 5m": "group_interval: 3s"} {
		if !strings.Contains(text, own) {
			t.Fatalf("the configuration has no %s", own)
		}
		text = strings.ReplaceAll(text, own, short)
	}
	path := filepath.Join(dir, "alertmanager.yml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	d.address = l.Addr().String()
	must(t, l.Close())
	bin, err := built()
	must(t, err)
	cmd := exec.Command(filepath.Join(bin, "alertmanager"), "--config.file="+path, "--storage.path="+dir,
		"--web.listen-address="+d.address, "--cluster.listen-address=")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	d.await(t, func() bool {
		resp, err := http.Get("http://" + d.address + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return d
}

// await polls until done, for at most 30 seconds.
func (d *duty) await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time; messages: %+v", d.messages())
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (d *duty) messages() []message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

// raise sends alerts as Prometheus does.
func (d *duty) raise(t *testing.T, alerts ...map[string]string) {
	t.Helper()
	var list []map[string]any
	for _, labels := range alerts {
		list = append(list, map[string]any{"labels": labels})
	}
	body, err := json.Marshal(list)
	must(t, err)
	resp, err := http.Post("http://"+d.address+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	must(t, err)
	defer resp.Body.Close()
	if said, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("Alertmanager answered %d: %s", resp.StatusCode, said)
	}
}

// symptoms are alerts of many functions.
func symptoms(n int) (list []map[string]string) {
	for i := range n {
		name := fmt.Sprint("function-", i)
		list = append(list, map[string]string{
			"alertname": "FunctionErrors", "severity": "critical", "layer": "symptom", "component": name, "function": name,
		})
	}
	return list
}

// Twenty functions fail of one cause, and Prometheus repeats their alerts: one message tells
// about all of them.
func TestAlertsOfOneCauseAreOneMessage(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-004.2")
	d := startDuty(t)
	for range 3 {
		d.raise(t, symptoms(20)...)
	}
	d.await(t, func() bool { return len(d.messages()) > 0 })
	for range 3 { // beyond the interval of the group
		d.raise(t, symptoms(20)...)
		<-time.After(2 * time.Second)
	}
	got := d.messages()
	if len(got) != 1 || len(got[0].Alerts) != 20 || got[0].Receiver != "on-duty" {
		t.Errorf("%d messages, want one of 20 alerts: %+v", len(got), got)
	}
}

// While a dependency is known to be down, its alert is the only message: the symptoms and the
// weaker alerts about it are silent.
func TestTheCauseSilencesItsSymptoms(t *testing.T) {
	t.Parallel()
	d := startDuty(t)
	var cause []map[string]string
	for _, name := range []string{"DependencyDown", "DependencyFailing", "DependencySlow"} {
		cause = append(cause, map[string]string{
			"alertname": name, "severity": "critical", "layer": "dependency", "component": "postgresql", "dependency": "postgresql",
		})
	}
	d.raise(t, append(cause, symptoms(20)...)...)
	d.await(t, func() bool { return len(d.messages()) > 0 })
	d.raise(t, append(cause, symptoms(20)...)...)
	<-time.After(4 * time.Second)
	got := d.messages()
	if len(got) != 1 || len(got[0].Alerts) != 1 || got[0].Alerts[0].Labels["alertname"] != "DependencyDown" ||
		got[0].Alerts[0].Labels["dependency"] != "postgresql" {
		t.Errorf("messages: %+v", got)
	}
}

// A warning goes to the tickets, and a critical alert to the person on duty.
func TestEachSeverityHasItsReceiver(t *testing.T) {
	t.Parallel()
	d := startDuty(t)
	d.raise(t,
		map[string]string{"alertname": req.AtLeast(t, 5, alertsOf(t, "warning"))[0], "severity": "warning", "layer": "events", "component": "a"},
		map[string]string{"alertname": req.AtLeast(t, 5, alertsOf(t, "critical"))[0], "severity": "critical", "layer": "process", "component": "b"})
	d.await(t, func() bool { return len(d.messages()) == 2 })
	for _, m := range d.messages() {
		want := map[string]string{"a": "tickets", "b": "on-duty"}[m.Alerts[0].Labels["component"]]
		if m.Receiver != want {
			t.Errorf("%v went to %s, want %s", m.Alerts[0].Labels, m.Receiver, want)
		}
	}
}
