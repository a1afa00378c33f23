package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// The file of a signed transfer is verified with the roots and the keys alone. Changed, or with
// other roots, it proves nothing.
func TestEvidenceVerify(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 1_000_00)
	ukey := p.SoftUKey(t, p.Payer, cert.InApp)
	in := p.Prepare(t, p.ToPayee(1_00))
	p.Confirm(t, stepup.Confirmation{
		IntentID: in.IntentID, Proofs: []stepup.Proof{p.Known(t), ukey.Signed(t, stepup.SoftUKey, in.Text)},
	}).Want(t, "")
	record, err := evidence.Read(t.Context(), p.Host.DB.Reader(), p.Host.Keys, in.IntentID)
	check.Must(t, err)
	folder := t.TempDir()
	file, roots, others := filepath.Join(folder, "evidence.json"), filepath.Join(folder, "roots.pem"), filepath.Join(folder, "others.pem")
	check.Must(t, writeEvidence(file, record))
	if err := writeEvidence(file, record); !errors.Is(err, os.ErrExist) {
		t.Errorf("the file is overwritten: %v", err)
	}
	check.Must(t, os.WriteFile(roots, []byte(p.AuthorityConfig(t).Trust.Roots), 0o600))
	check.Must(t, os.WriteFile(others, []byte(bank.New(t).AuthorityConfig(t).Trust.Roots), 0o600))
	got, err := verifyEvidence(file, roots, p.Host.Keys)
	if err != nil || !strings.Contains(got, p.Payer.ID.String()) || !strings.Contains(got, "transfer-confirm "+in.IntentID.String()) {
		t.Errorf("it says %q, %v", got, err)
	}
	if got, err := verifyEvidence(file, others, p.Host.Keys); exitCode(err) != exitFault {
		t.Errorf("with other roots: %q, %v", got, err)
	}
	for _, path := range []string{filepath.Join(folder, "none"), folder} {
		if _, err := verifyEvidence(path, roots, p.Host.Keys); exitCode(err) != exitFailed {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := verifyEvidence(file, path, p.Host.Keys); exitCode(err) != exitFailed {
			t.Errorf("roots in %s: %v", path, err)
		}
	}
	text, err := os.ReadFile(file)
	check.Must(t, err)
	for _, changed := range [][]byte{check.Flip(text, len(text)/2), append(text, '\n'), nil, []byte("{}")} {
		check.Must(t, os.WriteFile(file, changed, 0o600))
		if got, err := verifyEvidence(file, roots, p.Host.Keys); exitCode(err) != exitFault {
			t.Errorf("a changed file: %q, %v", got, err)
		}
	}
}
