package gate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// blob reads a blob of a layout, and checks its digest.
func blob(folder, digest string) ([]byte, error) {
	algorithm, name, _ := strings.Cut(digest, ":")
	text, err := os.ReadFile(filepath.Join(folder, "blobs", filepath.Base(algorithm), filepath.Base(name)))
	if err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	if digestOf(text) != digest {
		return nil, fmt.Errorf("the blob %s has another digest", digest)
	}
	return text, nil
}

func readBlob(folder, digest string, into any) error {
	text, err := blob(folder, digest)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("blob: %w", err)
	}
	return nil
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// testPackages are names that the linker writes into a program which holds them.
func testPackages() []string {
	return []string{
		"github.com/tidebank/tidebank/test/", "github.com/tidebank/tidebank/localstack", "github.com/tidebank/tidebank/client",
		"github.com/alicebob/miniredis", "github.com/fergusstrange/embedded-postgres", "testing.(*T)", "net/http/pprof.",
	}
}

// testNumbers finds the phone, identity and card numbers of the known test customers: of the
// local bank (localstack/dev) and of the tests' banks (test/bank).
var testNumbers = regexp.MustCompile(`138000[01][0-9]{5}|1101011990[01][0-9]{6}[0-9X]|622848(00|20|30)[0-9]{8,11}`)

// testCode names test code, test data and known test accounts that the image's files hold.
func (o *opened) testCode() []string {
	var list []string
	for name, text := range o.files {
		for _, p := range testPackages() {
			if bytes.Contains(text, []byte(p)) {
				list = append(list, name+" holds "+p)
			}
		}
		for _, number := range testNumbers.FindAll(text, 3) {
			list = append(list, fmt.Sprintf("%s holds the test number %s", name, number))
		}
	}
	return list
}
