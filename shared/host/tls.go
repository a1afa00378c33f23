package host

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
)

// TLSConfig names the files of a process that ends TLS itself, with no gateway in front of it. Then
// each of its ports speaks TLS only: 1.2 or 1.3, with forward secrecy and authenticated encryption. It
// answers a request in clear with 400, and serves nothing (CRYPTO-009, CRYPTO-015).
type TLSConfig struct {
	Certificate string `envconfig:"FN_TLS_CERT"` // PEM: the process's certificate, then the chain
	Key         string `envconfig:"FN_TLS_KEY"`  // PEM
}

// ErrTLS reports that one of the two files is missing.
var ErrTLS = errors.New("FN_TLS_CERT and FN_TLS_KEY belong together")

// strictTransport tells browsers for two years to use HTTPS only. Each answer of a handler has it, because a gateway
// may have ended TLS; browsers ignore it in an answer in clear.
const strictTransport = "max-age=63072000"

// strong are the suites of TLS 1.2. Those of TLS 1.3 are all strong, and Go lets nobody choose.
func strong() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// over returns the listener that speaks TLS, or the listener itself if there are no files.
func (c TLSConfig) over(l net.Listener) (net.Listener, error) {
	if c == (TLSConfig{}) {
		return l, nil
	}
	if c.Certificate == "" || c.Key == "" {
		return nil, ErrTLS
	}
	files := &certificateFiles{of: c}
	if _, err := files.current(nil); err != nil {
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: strong(), GetCertificate: files.current, NextProtos: []string{"http/1.1"},
	}), nil
}

// lookEvery is how often the files of a certificate are looked at for a new one.
const lookEvery = time.Minute

// certificateFiles are read again when they have changed. It is safe for concurrent use.
type certificateFiles struct {
	of TLSConfig

	mu     sync.Mutex
	held   *tls.Certificate
	looked time.Time
	stamp  string
}

// current returns the newest certificate. If the files have become unreadable, it returns the one
// before, so that a mistake in the files ends no service at once.
func (f *certificateFiles) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := clock.System{}.Now()
	if f.held != nil && now.Sub(f.looked) < lookEvery {
		return f.held, nil
	}
	f.looked = now
	stamp, err := f.of.stamp()
	if err != nil || stamp == f.stamp {
		return f.held, f.unless(err)
	}
	made, err := tls.LoadX509KeyPair(f.of.Certificate, f.of.Key)
	if err != nil {
		return f.held, f.unless(err)
	}
	f.held, f.stamp = &made, stamp
	return f.held, nil
}

// unless returns the error, unless there is a certificate of before.
func (f *certificateFiles) unless(err error) error {
	if err == nil || f.held != nil {
		return nil
	}
	return fmt.Errorf("FN_TLS_CERT: %w", err)
}

// stamp changes with the files.
func (c TLSConfig) stamp() (text string, err error) {
	for _, path := range []string{c.Certificate, c.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return "", err //nolint:wrapcheck // the caller wraps it
		}
		text += fmt.Sprintf("%d %d ", info.ModTime().UnixNano(), info.Size())
	}
	return text, nil
}
