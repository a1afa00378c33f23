package gate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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

// testNumbers are the first digits of the phone, identity and card numbers of the known test
// customers, of the local bank (localstack/dev) and of the tests' banks (test/bank), with
// the length of the number.
func testNumbers() map[string]int {
	return map[string]int{
		"1380000": 11, "1380001": 11, "110101199003": 18, "110101199011": 18, "11010119900115": 18,
		"622848000": 19, "622848001": 19, "62284820": 19, "62284830": 19,
	}
}

// number returns the number at the place, if it has so many digits, or "".
func number(text []byte, at, length int) string {
	if at+length > len(text) || at > 0 && isDigit(text[at-1]) {
		return ""
	}
	for _, c := range text[at : at+length-1] {
		if !isDigit(c) {
			return ""
		}
	}
	if last := text[at+length-1]; !isDigit(last) && last != 'X' {
		return ""
	}
	return string(text[at : at+length])
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// testCode names test code, test data and known test accounts that the image's files hold.
func (o *opened) testCode() []string {
	var list []string
	for name, text := range o.files {
		for _, p := range testPackages() {
			if bytes.Contains(text, []byte(p)) {
				list = append(list, name+" holds "+p)
			}
		}
		for prefix, length := range testNumbers() {
			for at := bytes.Index(text, []byte(prefix)); at >= 0; {
				if found := number(text, at, length); found != "" {
					list = append(list, fmt.Sprintf("%s holds the test number %s", name, found))
				}
				next := bytes.Index(text[at+1:], []byte(prefix))
				if next < 0 {
					break
				}
				at += 1 + next
			}
		}
	}
	return list
}
