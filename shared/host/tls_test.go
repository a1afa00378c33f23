package host_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// tapped keeps what a function gets and answers after TLS has ended.
type tapped struct {
	handler.FunctionHandler
	got, answered bytes.Buffer
}

func (h *tapped) Handle(r handler.Request) (handler.Response, error) {
	h.got.Write(r.Body)
	reply, err := h.FunctionHandler.Handle(r)
	h.answered.Write(reply.Body)
	return reply, err
}

// secured is a process that ends TLS itself.
type secured struct {
	*bank.Bank
	function *tapped
	entries  map[string]string // addresses of all its ports
}

// certify writes a certificate of localhost for the key, and returns the files.
func certify(t *testing.T, key crypto.Signer) host.TLSConfig {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check.Must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	check.Must(t, err)
	files := host.TLSConfig{Certificate: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem")}
	check.Must(t, os.WriteFile(files.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	check.Must(t, os.WriteFile(files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return files
}

func port(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(check.FreePort(t))
	check.Must(t, err)
	return n
}

func serve(t *testing.T, key crypto.Signer) secured {
	t.Helper()
	s := secured{Bank: bank.On(t, pgtest.Broken(t)), entries: map[string]string{}}
	s.function = &tapped{FunctionHandler: s.Open(t, transferprepare.Function)}
	config := host.ServeConfig{Port: port(t), AdminPort: port(t), Drain: time.Second, TLS: certify(t, key)}
	ctx, stop := context.WithCancel(t.Context())
	on, err := config.Listen(ctx)
	check.Must(t, err)
	ended := make(chan error, 1)
	process := &host.Host{Log: s.Host.Log, Metrics: s.Host.Metrics, Limits: s.Host.Limits}
	go func() { ended <- process.Serve(ctx, on, transferprepare.Function.Spec.Name, s.function) }()
	t.Cleanup(func() {
		stop()
		check.Must(t, <-ended)
	})
	s.entries["public"] = "localhost:" + strconv.Itoa(config.Port)
	s.entries["admin"] = "localhost:" + strconv.Itoa(config.AdminPort)
	return s
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check.Must(t, err)
	return key
}

// hello is a ClientHello of a version, from SSL 3.0 on, that offers suites.
func hello(version uint16, suites ...uint16) []byte {
	vector := func(size int, body []byte) []byte {
		length := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		return append(length[4-size:], body...)
	}
	u16 := binary.BigEndian.AppendUint16
	var offered []byte
	for _, s := range suites {
		offered = u16(offered, s)
	}
	extension := func(kind uint16, body []byte) []byte { return append(u16(nil, kind), vector(2, body)...) }
	extensions := slices.Concat(
		extension(10, vector(2, u16(u16(nil, 0x001d), 0x0017))),                           // groups: X25519, P-256
		extension(11, []byte{1, 0}),                                                       // points: uncompressed
		extension(13, vector(2, u16(u16(u16(u16(nil, 0x0403), 0x0804), 0x0401), 0x0201))), // signatures
	)
	body := slices.Concat(u16(nil, version), make([]byte, 32), []byte{0}, vector(2, offered), []byte{1, 0}, vector(2, extensions))
	return append(append([]byte{0x16}, u16(nil, min(version, tls.VersionTLS10))...), vector(2, append([]byte{1}, vector(3, body)...))...)
}

// answer is what the server says to a hello: "hello", "alert" or "closed".
func answer(t *testing.T, address string, hello []byte) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	check.Must(t, err)
	defer conn.Close()
	check.Must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = conn.Write(hello)
	check.Must(t, err)
	said := make([]byte, 6)
	if _, err := io.ReadFull(conn, said); err != nil {
		return "closed"
	}
	switch {
	case said[0] == 0x16 && said[5] == 2:
		return "hello"
	case said[0] == 0x15:
		return "alert"
	}
	return fmt.Sprintf("%x", said)
}

// anyServer lets a client take whatever certificate the server has. Without a version, all are good.
func anyServer(version uint16, suites ...uint16) *tls.Config {
	//nolint:gosec // the test trusts it
	return &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, CipherSuites: suites}
}

// dial makes one handshake of Go's client.
func dial(t *testing.T, address string, version uint16, suites ...uint16) (made tls.ConnectionState, err error) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: anyServer(version, suites...)}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return made, err
	}
	defer conn.Close()
	secure, ok := conn.(*tls.Conn)
	if !ok {
		t.Fatalf("a %T", conn)
	}
	return secure.ConnectionState(), nil
}

func goodSuites() []uint16 {
	return []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
}

// SSL 3.0, TLS 1.0 and TLS 1.1 are refused, also with the best suites.
func TestOldProtocolsAreRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-015.1")
	s := serve(t, ecKey(t))
	for entry, address := range s.entries {
		for _, old := range []uint16{0x0300, tls.VersionTLS10, tls.VersionTLS11} {
			suites := append(goodSuites(), 0xC009, 0xC00A, 0x002F, 0x0035, 0x000A)
			if got := answer(t, address, hello(old, suites...)); got != "alert" && got != "closed" {
				t.Errorf("%s: version %x: %s", entry, old, got)
			}
			if old == 0x0300 { // Go has no client of it
				continue
			}
			if _, err := dial(t, address, old); err == nil {
				t.Errorf("%s: a client of version %x is served", entry, old)
			}
		}
		if got := answer(t, address, hello(tls.VersionTLS12, goodSuites()...)); got != "hello" {
			t.Errorf("%s: the test's hello of TLS 1.2: %s", entry, got)
		}
	}
}

// weak are suites without encryption or authentication, of export, with RC4, DES or CBC, or
// without forward secrecy.
func weak() []uint16 {
	list := []uint16{
		0x0000, 0x0001, 0x0002, 0x0003, 0x0006, 0x0008, 0x0009, 0x000A, 0x0004, 0x0005, 0x0016, 0x0018, 0x001B, 0x0033, 0x0034, 0x0039,
		0x002F, 0x0035, 0x003C, 0x003D, 0x009C, 0x009D, 0xC001, 0xC006, 0xC007, 0xC008, 0xC009, 0xC00A, 0xC010, 0xC011, 0xC012, 0xC013,
		0xC014, 0xC015, 0xC019, 0xC023, 0xC024, 0xC027, 0xC028,
	}
	for _, s := range tls.InsecureCipherSuites() {
		list = append(list, s.ID)
	}
	return list
}

func TestWeakSuitesAreRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-015.2")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check.Must(t, err)
	for kind, key := range map[string]crypto.Signer{"ECDSA": ecKey(t), "RSA": rsaKey} {
		s := serve(t, key)
		for entry, address := range s.entries {
			for _, suite := range weak() {
				if got := answer(t, address, hello(tls.VersionTLS12, suite)); got != "alert" && got != "closed" {
					t.Errorf("%s, %s: suite %04x: %s", kind, entry, suite, got)
				}
			}
			if got := answer(t, address, hello(tls.VersionTLS12, weak()...)); got != "alert" && got != "closed" {
				t.Errorf("%s, %s: all weak suites at once: %s", kind, entry, got)
			}
		}
	}
}

func TestGoodHandshakesSucceed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-015.3")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check.Must(t, err)
	for kind, key := range map[string]crypto.Signer{"ECDSA": ecKey(t), "RSA": rsaKey} {
		s := serve(t, key)
		for entry, address := range s.entries {
			made := 0
			for _, suite := range tls.CipherSuites() {
				version := slices.Max(suite.SupportedVersions)
				if version == tls.VersionTLS12 && (!strings.Contains(suite.Name, "ECDHE_"+kind) || strings.Contains(suite.Name, "_CBC_")) {
					continue
				}
				got, err := dial(t, address, version, suite.ID)
				if err != nil {
					t.Errorf("%s, %s: %s: %v", kind, entry, suite.Name, err)
					continue
				}
				if got.Version != version || version == tls.VersionTLS12 && got.CipherSuite != suite.ID {
					t.Errorf("%s, %s: %s: version %x, suite %x", kind, entry, suite.Name, got.Version, got.CipherSuite)
				}
				made++
			}
			if made < 6 {
				t.Errorf("%s, %s: only %d handshakes", kind, entry, made)
			}
		}
	}
}

// browser is a client that takes the certificate of the test.
func browser() *http.Client {
	return &http.Client{
		Timeout:       20 * time.Second,
		Transport:     &http.Transport{TLSClientConfig: anyServer(0), DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func send(t *testing.T, method, url string, body []byte) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	check.Must(t, err)
	r.Header.Set("Content-Type", channel.MediaType)
	reply, err := browser().Do(r)
	check.Must(t, err)
	t.Cleanup(func() { _ = reply.Body.Close() })
	return reply
}

// frame is a good request of a customer, and what it says.
func (s secured) frame(t *testing.T) (frame []byte, says []string) {
	t.Helper()
	d := s.Device(t, "browser-of-wang")
	check.Must(t, s.Host.Sessions.Start(t.Context(), d.Channel, uuid.New()))
	request := map[string]any{
		"debit_account_id": uuid.NewString(), "payee_account_no": "6228480000000000999", "payee_name": "司马小丰", "amount_fen": 123_456_789,
	}
	for name, value := range request {
		says = append(says, name, fmt.Sprint(value))
	}
	return d.Frame(t, transferprepare.Function, "k", request), append(says, "idempotency_key", "request")
}

// A request without TLS gets a refusal without content, and the function does not see it.
func TestPlainHTTPIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-009.1")
	s := serve(t, ecKey(t))
	frame, _ := s.frame(t)
	name := transferprepare.Function.Spec.Name
	for entry, address := range s.entries {
		for _, path := range []string{"/", "/function/" + name, "/_/health", "/_/ready", "/metrics"} {
			for method, body := range map[string][]byte{http.MethodGet: nil, http.MethodPost: frame} {
				conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
				check.Must(t, err)
				check.Must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
				const form = "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s"
				_, err = fmt.Fprintf(conn, form, method, path, address, len(body), body)
				check.Must(t, err)
				reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Errorf("%s %s %s: %v", entry, method, path, err)
					continue
				}
				text, _ := io.ReadAll(reply.Body) // the connection may end with a reset
				_ = reply.Body.Close()
				_ = conn.Close()
				if reply.StatusCode != http.StatusBadRequest || len(text) > 60 {
					t.Errorf("%s %s %s: %d %q", entry, method, path, reply.StatusCode, text)
				}
			}
		}
	}
	if s.function.got.Len() > 0 {
		t.Error("the function got a request in clear")
	}
	if got := send(t, http.MethodPost, "https://"+s.entries["public"]+"/function/"+name, frame); s.function.got.Len() == 0 {
		t.Errorf("the same request by HTTPS: %d", got.StatusCode)
	}
}

// Each answer of a handler, also a refusal, tells the browser to use HTTPS only. What net/http itself answers to bytes
// that it can't read as a request (400, 431) does not: no browser sends them.
func TestEveryAnswerSetsStrictTransport(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-009.2")
	s := serve(t, ecKey(t))
	frame, _ := s.frame(t)
	name := transferprepare.Function.Spec.Name
	statuses := map[int]bool{}
	for _, address := range s.entries {
		for _, path := range []string{
			"/", "/function/" + name, "/function/none", "/_/health", "/_/ready", "/metrics", "/a/../b", "/%2e%2e/x",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions, http.MethodPut} {
				reply := send(t, method, "https://"+address+path, frame)
				statuses[reply.StatusCode] = true
				if age, found := strings.CutPrefix(reply.Header.Get("Strict-Transport-Security"), "max-age="); !found || len(age) < 8 {
					t.Errorf("%s %s: %d without HSTS: %v", method, path, reply.StatusCode, reply.Header)
				}
			}
		}
	}
	for _, want := range []int{http.StatusOK, http.StatusNotFound, http.StatusServiceUnavailable} {
		if !statuses[want] {
			t.Errorf("no answer %d among %v", want, statuses)
		}
	}
}

// After TLS has ended, the request of a browser and its answer are still sealed.
func TestTheMessageStaysSealedInsideTLS(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-009.3")
	s := serve(t, ecKey(t))
	frame, says := s.frame(t)
	reply := send(t, http.MethodPost, "https://"+s.entries["public"]+"/function/"+transferprepare.Function.Spec.Name, frame)
	if reply.Header.Get("Content-Type") != channel.MediaType {
		t.Errorf("the answer is %s", reply.Header.Get("Content-Type"))
	}
	got, answered := s.function.got.Bytes(), s.function.answered.Bytes()
	if !bytes.Equal(got, frame) || len(answered) < 33 {
		t.Fatalf("the function got %d bytes and answered %d", len(got), len(answered))
	}
	for _, text := range append(says, "code", "title", "detail", "SERVICE_UNAVAILABLE") {
		if bytes.Contains(got, []byte(text)) || bytes.Contains(answered, []byte(text)) {
			t.Errorf("%q can be read", text)
		}
	}
}

// A process starts with both files or none, and takes a renewed certificate.
func TestFilesOfACertificate(t *testing.T) {
	t.Parallel()
	good := certify(t, ecKey(t))
	for _, bad := range []host.TLSConfig{{Certificate: good.Certificate}, {Key: good.Key}} {
		if _, err := (host.ServeConfig{TLS: bad}).Listen(t.Context()); !errors.Is(err, host.ErrTLS) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, bad := range []host.TLSConfig{
		{Certificate: good.Certificate, Key: certify(t, ecKey(t)).Key}, {Certificate: "none", Key: good.Key},
	} {
		if _, err := (host.ServeConfig{TLS: bad}).Listen(t.Context()); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
