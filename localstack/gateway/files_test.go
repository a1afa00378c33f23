package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// The gateway has routes and no files: a path that names a folder, a hidden or left-over
// file, a path out of the routes or a piece of source is not found.
func TestTheGatewayServesNoFiles(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-016.1", "CLOUD-016.2", "CLOUD-016.3", "CLOUD-016.4")
	b := bank.On(t, pgtest.Broken(t))
	nowhere := append(bank.Nowhere(), sms.Config{URL: "http://127.0.0.1:1", Secret: "x"})
	g, err := gateway.New(t.Context(), functions.All(), b.Host, host.Values(nowhere...))
	check.Must(t, err)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	if status, _ := get(t, address, "/_/health"); status != http.StatusOK {
		t.Fatalf("the gateway's own route: %d", status)
	}
	for name, paths := range map[string][]string{
		"folder": {"/", "/function/", "/async-function/", "/system/", "/_/", "/docs/", "/dev/", "/functions/", "/infra/", "/static/"},
		"hidden and left over": {
			"/.git/config", "/.git/HEAD", "/.env", "/.htaccess", "/.golangci.yml", "/function/.env", "/keys.json~", "/keys.json.bak",
			"/bank.log.1", "/main.go.orig", "/index.html~", "/backup.zip", "/dump.sql", "/.DS_Store",
		},
		"traversal": {
			"/../etc/passwd", "/../../../../etc/passwd", "/function/../../go.mod", "/function/x/../../../etc/passwd", "/./go.mod",
			"/_/../go.mod", "/function/..", "/function/../_/health", "//etc/passwd", "/%2e%2e/etc/passwd",
			"/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
			"/function/%2e%2e/%2e%2e/go.mod", "/..%2fetc/passwd", "/..%5cetc%5cpasswd", "/function/..%2f..%2fgo.mod", "/%252e%252e/go.mod",
			"/..;/etc/passwd", "/....//etc/passwd",
		},
		"source": {
			"/main.go", "/go.mod", "/go.sum", "/localstack/main.go", "/functions/registry.go", "/functions/transfer/confirm/handler.go",
			"/app.js.map", "/main.css.map", "/infra/migrations/0001_bank.sql", "/Makefile", "/function/identity-login.go",
			"/function/identity-login.map",
		},
	} {
		for _, path := range paths {
			status, body := get(t, address, path)
			if status != http.StatusNotFound {
				t.Errorf("%s %s: %d, want 404", name, path, status)
			}
			for _, content := range []string{"package ", "module ", "root:", "<a href", "CREATE TABLE", "[core]"} {
				if strings.Contains(body, content) {
					t.Errorf("%s %s shows %q", name, path, content)
				}
			}
		}
	}
}

// get sends the path unchanged: an HTTP client would clean it.
func get(t *testing.T, address, path string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	check.Must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: bank\r\nConnection: close\r\n\r\n", path)
	check.Must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	raw, err := io.ReadAll(resp.Body)
	check.Must(t, err)
	return resp.StatusCode, string(raw)
}
