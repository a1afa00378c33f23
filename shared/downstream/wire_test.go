package downstream_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	redisserver "github.com/alicebob/miniredis/v2/server"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tidebank/tidebank/test/check"
)

// authority is the authority that this process trusts, as those of its machine.
var authority *ca

// TestMain makes the authority before anything reads the roots of the machine.
func TestMain(m *testing.M) {
	os.Exit(trusting(m))
}

func trusting(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tidebank-ca-")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir) // nobody reads it later
	if authority, err = makeCA(); err != nil {
		log.Print(err)
		return 1
	}
	file := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.cert.Raw}), 0o600); err != nil {
		log.Print(err)
		return 1
	}
	for _, key := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if err := os.Setenv(key, map[string]string{"SSL_CERT_FILE": file, "SSL_CERT_DIR": dir}[key]); err != nil {
			log.Print(err)
			return 1
		}
	}
	return m.Run()
}

// ca issues certificates for servers.
type ca struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// leaf is what a server's certificate says.
type leaf struct {
	name  string
	until time.Duration // from now
}

// served is a good one.
var served = leaf{name: "localhost", until: time.Hour}

type certificate = tls.Certificate

func makeCA() (*ca, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA of this test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	made, err := x509.ParseCertificate(der)
	return &ca{made, key}, err
}

func newCA(t *testing.T) *ca {
	t.Helper()
	made, err := makeCA()
	check.Must(t, err)
	return made
}

func (a *ca) issue(t *testing.T, l leaf) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check.Must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{l.name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(l.until), KeyUsage: x509.KeyUsageDigitalSignature,
	}, a.cert, &key.PublicKey, a.key)
	check.Must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// wire is a server of a partner behind a line that somebody taps.
type wire struct {
	address string

	mu     sync.Mutex
	raw    strings.Builder // both directions, as they pass
	opened strings.Builder // what the server understood
}

func (w *wire) seen() (raw, opened string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.raw.String(), w.opened.String()
}

func (w *wire) understood(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opened.WriteString(text)
}

// Write notes bytes that pass.
func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.raw.Write(b)
}

// server serves a partner's protocol over TLS, and returns its address.
type server func(t *testing.T, config *tls.Config, on *wire) (address string)

// listen starts a server, and a tap before it.
func listen(t *testing.T, serve server, made certificate) *wire {
	t.Helper()
	on := &wire{}
	behind := serve(t, &tls.Config{Certificates: []tls.Certificate{made}, MinVersion: tls.VersionTLS12}, on)
	at := loopback(t)
	on.address = strings.Replace(at.Addr().String(), "127.0.0.1", "localhost", 1)
	go accept(at, func(client net.Conn) {
		to, err := new(net.Dialer).DialContext(t.Context(), "tcp", behind)
		if err != nil {
			return
		}
		defer to.Close()
		go func() {
			_, _ = io.Copy(client, io.TeeReader(to, on))
			_ = client.Close()
		}()
		_, _ = io.Copy(to, io.TeeReader(client, on))
	})
	return on
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	at, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	check.Must(t, err)
	t.Cleanup(func() { _ = at.Close() })
	return at
}

func accept(at net.Listener, serve func(net.Conn)) {
	for {
		conn, err := at.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

func serveHTTP(t *testing.T, config *tls.Config, on *wire) string {
	t.Helper()
	at := loopback(t)
	web := &http.Server{
		TLSConfig: config, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var got bytes.Buffer
			_ = r.Write(&got) // as much of it as came
			on.understood(got.String())
			w.WriteHeader(http.StatusServiceUnavailable)
		}),
	}
	go web.ServeTLS(at, "", "") //nolint:errcheck // it ends with the listener
	t.Cleanup(func() { _ = web.Close() })
	return at.Addr().String()
}

func serveRedis(t *testing.T, config *tls.Config, on *wire) string {
	t.Helper()
	redis := miniredis.NewMiniRedis()
	check.Must(t, redis.StartTLS(config))
	t.Cleanup(redis.Close)
	redis.Server().SetPreHook(func(_ *redisserver.Peer, command string, args ...string) bool {
		on.understood(command + strings.Join(args, " "))
		return false // miniredis answers
	})
	return redis.Addr()
}

// servePostgres understands as much of the protocol as a client needs to send its first statement.
func servePostgres(t *testing.T, config *tls.Config, on *wire) string {
	t.Helper()
	at := loopback(t)
	go accept(at, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil { // SSLRequest
			return
		}
		if _, err := conn.Write([]byte("S")); err != nil {
			return
		}
		secure := tls.Server(conn, config)
		if secure.HandshakeContext(t.Context()) != nil {
			return
		}
		session(pgproto3.NewBackend(secure, secure), on)
	})
	return at.Addr().String()
}

func session(b *pgproto3.Backend, on *wire) {
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	const pid = 7
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: "16.0"})
	b.Send(&pgproto3.BackendKeyData{ProcessID: pid, SecretKey: []byte("four")})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	statement := ""
	for b.Flush() == nil {
		message, err := b.Receive()
		if err != nil {
			return
		}
		switch m := message.(type) {
		case *pgproto3.Parse:
			statement = m.Query
			on.understood(statement)
		case *pgproto3.Query: // a ping
			on.understood(m.String)
			b.Send(&pgproto3.EmptyQueryResponse{})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		case *pgproto3.Sync:
			if strings.Contains(statement, "pg_backend_pid") {
				b.Send(&pgproto3.ParseComplete{})
				b.Send(&pgproto3.BindComplete{})
				column := pgproto3.FieldDescription{Name: []byte("pid"), DataTypeOID: 23, DataTypeSize: 4}
				b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{column}})
				b.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(fmt.Sprint(pid))}})
				b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
			} else {
				b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42601", Message: "of a test"})
			}
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
	}
}
