package keytest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tidebank/tidebank/shared/cloud"
)

// FakeKMS answers as KMS does: it opens what it has wrapped, with the same key and context.
type FakeKMS struct {
	mu      sync.Mutex
	wrapped map[string]kmsRequest
	opened  int
}

type kmsRequest struct {
	KeyID             string `json:"KeyId"`
	NumberOfBytes     int
	EncryptionContext map[string]string
	CiphertextBlob    []byte
	key               []byte
}

// ServeHTTP answers GenerateDataKey and Decrypt.
func (k *FakeKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var asked kmsRequest
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil { //nolint:musttag // the names of KMS
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GenerateDataKey") {
		asked.key, asked.CiphertextBlob = make([]byte, asked.NumberOfBytes), make([]byte, 64)
		_, _ = rand.Read(asked.key)
		_, _ = rand.Read(asked.CiphertextBlob)
		k.wrapped[string(asked.CiphertextBlob)] = asked
		_ = json.NewEncoder(w).Encode(map[string][]byte{"Plaintext": asked.key, "CiphertextBlob": asked.CiphertextBlob})
		return
	}
	kept, ok := k.wrapped[string(asked.CiphertextBlob)]
	if !ok || kept.KeyID != asked.KeyID || !maps.Equal(kept.EncryptionContext, asked.EncryptionContext) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"InvalidCiphertextException"}`))
		return
	}
	k.opened++
	_ = json.NewEncoder(w).Encode(map[string][]byte{"Plaintext": kept.key})
}

// NewFakeKMS starts it for the test.
func NewFakeKMS(t *testing.T) (*FakeKMS, cloud.Config) {
	t.Helper()
	k := &FakeKMS{wrapped: map[string]kmsRequest{}}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	return k, cloud.Config{Endpoint: server.URL, KeyID: "k", SecretKey: "s"}
}

// Opened is how many data keys it has opened.
func (k *FakeKMS) Opened() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.opened
}
