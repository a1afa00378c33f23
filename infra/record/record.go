// Package record checks statements that people of the bank sign: the review of a commit,
// the exception for a vulnerability, a test run by hand, a security test, the approval to
// retire the bank.
//
// A record names its kind, its subject, its day and its content. Its signature (SM2, by
// shared/sm) covers all of them. The people, their roles and their keys stand in a trust
// file, which a release machine keeps outside of the source: so no change of the source
// can name its own reviewer. All functions are pure, except those that read files.
package record

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/shared/sm"
)

// Kind says what a record states, and which role its signer needs.
type Kind string

// The kinds of records.
const (
	Review       Kind = "review"        // of a commit
	Exception    Kind = "exception"     // for the id of a vulnerability: component, reason, until
	TestRun      Kind = "test-run"      // of a commit: kind, result, report
	SecurityTest Kind = "security-test" // of a major version: report, high, medium (open findings)
	Retirement   Kind = "retirement"    // of a database: reason
)

// Kinds lists all kinds.
func Kinds() []Kind { return []Kind{Review, Exception, TestRun, SecurityTest, Retirement} }

// Reasons why a record does not count.
var (
	ErrUnsigned = errors.New("the record is not signed")
	ErrSigner   = errors.New("the trust file gives the signer no right to sign this kind of record")
	ErrChanged  = errors.New("the signature does not match: the record was changed, or another key signed it")
)

// Day is the form of a record's dates.
const Day = time.DateOnly

// Record is a statement that a person signs.
type Record struct {
	Kind    Kind              `yaml:"kind" json:"kind"`
	Subject string            `yaml:"subject" json:"subject"`
	At      string            `yaml:"at" json:"at"` // the day, 2026-11-26
	Says    map[string]string `yaml:"says,omitempty" json:"says,omitempty"`
	By      string            `yaml:"by" json:"by"`

	Signature string `yaml:"signature,omitempty" json:"-"` // base64
}

// text is what the signature covers. JSON sorts the keys of Says.
func (r Record) text() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return append([]byte("tidebank record 1\n"), text...), nil
}

// Sign signs the record in the name of its field By.
func (r *Record) Sign(key *sm.PrivateKey) error {
	if _, err := time.Parse(Day, r.At); err != nil || r.Subject == "" || r.By == "" || !slices.Contains(Kinds(), r.Kind) {
		return fmt.Errorf("a record needs kind (one of %v), subject, at (2026-11-26) and by", Kinds())
	}
	text, err := r.text()
	if err != nil {
		return err
	}
	signature, err := sm.Sign(key, text)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	r.Signature = base64.StdEncoding.EncodeToString(signature)
	return nil
}

// Parse reads a record, and refuses unknown fields.
func Parse(text []byte) (r Record, err error) {
	return r, decode(text, &r)
}

// ReadFile reads a record from a file.
func ReadFile(path string) (Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Record{}, fmt.Errorf("record: %w", err)
	}
	return Parse(text)
}

// WriteFile writes the record into a file.
func (r Record) WriteFile(path string) error {
	text, err := r.Text()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a record is no secret
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Signer is a person of the bank who signs records.
type Signer struct {
	Name  string `yaml:"name"`
	Email string `yaml:"email"` // as in the commits that the person writes
	Kinds []Kind `yaml:"kinds"` // what the person may sign
	Key   string `yaml:"key"`   // the public key: base64 of PKIX DER
}

// Trust is what a release machine knows by itself, and not from the source.
type Trust struct {
	// Baseline is the commit up to which the bank has taken the history as a whole.
	// Each later commit needs a review.
	Baseline string   `yaml:"baseline"`
	Signers  []Signer `yaml:"signers"`

	records string // the folder of the records
}

// TrustFile is the trust file's name in its folder; the records are beside it, in the
// folder records.
const TrustFile = "trust.yaml"

// LoadTrust reads a folder with a trust file and records.
func LoadTrust(folder string) (Trust, error) {
	t := Trust{records: filepath.Join(folder, "records")}
	text, err := os.ReadFile(filepath.Join(folder, TrustFile))
	if err != nil {
		return t, fmt.Errorf("trust file: %w", err)
	}
	if err := decode(text, &t); err != nil {
		return t, fmt.Errorf("trust file: %w", err)
	}
	return t, nil
}

// Records reads all records of the folder, by file name. It does not check them.
func (t Trust) Records() (map[string]Record, error) {
	paths, err := filepath.Glob(filepath.Join(t.records, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	all := map[string]Record{}
	for _, path := range paths {
		r, err := ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		all[filepath.Base(path)] = r
	}
	return all, nil
}

// Check returns nil if a person who may sign this kind of record has signed it.
func (t Trust) Check(r Record) error {
	if r.Signature == "" {
		return ErrUnsigned
	}
	i := slices.IndexFunc(t.Signers, func(s Signer) bool { return s.Name == r.By && r.By != "" })
	if i < 0 || !slices.Contains(t.Signers[i].Kinds, r.Kind) {
		return fmt.Errorf("%w: %s, %s", ErrSigner, r.By, r.Kind)
	}
	der, err := base64.StdEncoding.DecodeString(t.Signers[i].Key)
	if err != nil {
		return fmt.Errorf("key of %s: %w", r.By, err)
	}
	key, err := sm.ParsePublicKey(der)
	if err != nil {
		return fmt.Errorf("key of %s: %w", r.By, err)
	}
	signature, err := base64.StdEncoding.DecodeString(r.Signature)
	if err != nil {
		return ErrChanged
	}
	text, err := r.text()
	if err != nil {
		return err
	}
	if sm.Verify(key, text, signature) != nil {
		return ErrChanged
	}
	return nil
}

// Email is the address of a signer; empty for a stranger.
func (t Trust) Email(name string) string {
	for _, s := range t.Signers {
		if s.Name == name {
			return s.Email
		}
	}
	return ""
}

// Text is the record as YAML.
func (r Record) Text() (string, error) {
	text, err := yaml.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("record: %w", err)
	}
	return string(text), nil
}
