package keytest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/sm"
)

// FakeKMS answers as KMS does: it opens what it has wrapped, with the same key and context.
// Its own key, the core key, never leaves it.
type FakeKMS struct {
	mu     sync.Mutex
	core   sm.Key
	opened int
	makes  *int            // the size of its data keys, whatever was asked for
	asked  map[string]bool // operations
}

type kmsRequest struct {
	KeyID             string `json:"KeyId"`
	NumberOfBytes     int
	EncryptionContext map[string]string
	CiphertextBlob    []byte
}

// place binds a wrapped key to the names of its key and its context.
func (r kmsRequest) place() []byte {
	text, _ := json.Marshal([]any{r.KeyID, r.EncryptionContext}) // texts never fail
	return text
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
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	k.asked[operation] = true
	if operation == "GenerateDataKey" {
		if k.makes != nil {
			asked.NumberOfBytes = *k.makes
		}
		key := make([]byte, asked.NumberOfBytes)
		_, _ = rand.Read(key)
		wrapped, err := sm.Seal(k.core, key, asked.place())
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string][]byte{"Plaintext": key, "CiphertextBlob": wrapped})
		return
	}
	key, err := sm.Open(k.core, asked.CiphertextBlob, asked.place())
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"InvalidCiphertextException"}`))
		return
	}
	k.opened++
	_ = json.NewEncoder(w).Encode(map[string][]byte{"Plaintext": key})
}

// NewFakeKMS starts it for the test.
func NewFakeKMS(t *testing.T) (*FakeKMS, cloud.Config) {
	t.Helper()
	k := &FakeKMS{core: sm.NewKey(), asked: map[string]bool{}}
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	return k, cloud.Config{Endpoint: server.URL, KeyID: "k", SecretKey: "s"}
}

// Makes lets it make data keys of a size, whatever it is asked for.
func (k *FakeKMS) Makes(size int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.makes = &size
}

// Core is the key that never leaves KMS, for a test that searches for it.
func (k *FakeKMS) Core() []byte { return k.core[:] }

// Asked lists the operations that it was asked for.
func (k *FakeKMS) Asked() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.asked))
}

// Opened is how many data keys it has opened.
func (k *FakeKMS) Opened() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.opened
}
