package sealed_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	accountaliasset "github.com/tidebank/tidebank/functions/account/aliasset"
	"github.com/tidebank/tidebank/infra/sealed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/keys/shamir"
	"github.com/tidebank/tidebank/shared/reseal"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

const memo, alias = "房租押金三月", "工资卡一号"

// rotated is a bank that has stored texts in every sealed column under the first keys, and
// whose keys have then been rotated.
type rotated struct {
	bank.Pair
	file string
}

func newRotated(t *testing.T) rotated {
	t.Helper()
	r := rotated{file: filepath.Join(t.TempDir(), "keys.json")}
	check.Must(t, keys.Create(r.file))
	b := bank.OnKeys(t, pgtest.New(t), func(c clock.Clock) *keys.Ring {
		ring, err := keys.Open(t.Context(), keys.Config{File: r.file, Clock: c}, keys.All()...)
		check.Must(t, err)
		return ring
	})
	r.Pair = bank.PairOn(t, b, 1_000_00)
	for range 3 {
		order := r.ToPayee(1_00)
		order["memo"] = memo
		r.Confirm(t, r.Proved(t, r.Prepare(t, order))).Want(t, "")
	}
	r.Phone.Call(t, accountaliasset.Function, uuid.NewString(),
		map[string]any{"account_id": r.Payer.AccountIDs[0], "alias": alias}).Want(t, "")
	r.Token(t)
	r.SetGesture(t, bank.Gesture).Want(t, "")
	ukey := r.SoftUKey(t, r.Payer, cert.InApp)
	signed := r.Prepare(t, r.ToPayee(1_00))
	r.Confirm(t, stepup.Confirmation{
		IntentID: signed.IntentID, Proofs: []stepup.Proof{r.Known(t), ukey.Signed(t, stepup.SoftUKey, signed.Text)},
	}).Want(t, "")
	for _, p := range sealed.Moved() {
		keytest.AddKey(t, r.file, p, r.Clock.Now())
	}
	changed, err := r.Host.Keys.Reload(t.Context())
	if check.Must(t, err); !changed {
		t.Fatal("the new keys were not taken up")
	}
	return r
}

func (r rotated) job() reseal.Job {
	return reseal.Job{DB: r.Host.DB, Ring: r.Host.Keys, Columns: sealed.Columns(), Batch: 2}
}

// uses counts the texts by key. Each must open.
func (r rotated) uses(t *testing.T) map[string]int64 {
	t.Helper()
	list, err := reseal.Count(t.Context(), r.Host.DB, r.Host.Keys, sealed.Columns(), nil)
	check.Must(t, err)
	rows := map[string]int64{}
	for _, u := range list {
		if rows[u.Key] += u.Rows; u.Damaged > 0 {
			t.Errorf("%d texts of %s do not open", u.Damaged, u.Column)
		}
	}
	return rows
}

// A re-encryption that is interrupted again and again, at any point, loses nothing and
// stores no clear text. In the end each text is under the new key.
func TestAReencryptionIsInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-007.2", "KEY-007.3")
	r := newRotated(t)
	before := r.uses(t)
	if before["storage/1"] < 10 || before["credential/1"] < 4 {
		t.Fatalf("the texts before: %v", before)
	}
	secret := []string{memo, alias, r.Payer.Name, r.Payee.Phone, r.Payer.IDNo, r.Payer.Accounts[0].No}
	interrupted := 0
	for life := time.Duration(0); ; life += 200 * time.Microsecond {
		ctx, stop := context.WithTimeout(t.Context(), life)
		err := r.job().Run(ctx)
		stop()
		now := r.uses(t)
		if sum := now["storage/1"] + now["storage/2"]; sum != before["storage/1"] {
			t.Fatalf("%d texts, want %d", sum, before["storage/1"])
		}
		stored := r.Stored(t)
		for _, text := range secret {
			if bank.Shows(stored, text) || strings.Contains(stored, hex.EncodeToString([]byte(text))) {
				t.Fatalf("after %v the tables show %q", life, text)
			}
		}
		if err == nil {
			break
		}
		interrupted++
	}
	if interrupted < 3 {
		t.Errorf("the run was interrupted only %d times", interrupted)
	}
	after := r.uses(t)
	if after["storage/1"] != 0 || after["credential/1"] != 0 || after["storage/2"] != before["storage/1"] ||
		after["credential/2"] != before["credential/1"] || after["pepper/1"] != before["pepper/1"] {
		t.Errorf("before %v, after %v", before, after)
	}
	r.wantReadable(t)
}

// wantReadable reads as a customer, after the old keys were destroyed.
func (r rotated) wantReadable(t *testing.T) {
	t.Helper()
	for _, p := range sealed.Moved() {
		check.Must(t, keys.Retire(r.file, p, 1))
	}
	_, err := r.Host.Keys.Reload(t.Context())
	check.Must(t, err)
	r.Confirm(t, r.Proved(t, r.Prepare(t, r.ToPayee(1_00)))).Want(t, "")
	bank.CheckLedger(t, r.Host.DB, r.Host.Keys)
}

// No column of any table is left out: after a run, no value names an old key. Each column
// of the list had a text to move.
func TestEachSealedColumnIsKnown(t *testing.T) {
	t.Parallel()
	r := newRotated(t)
	moved := map[string]int64{}
	job := r.job()
	job.Report = func(p reseal.Progress) { moved[p.Column] = p.Resealed }
	check.Must(t, job.Run(t.Context()))
	for _, c := range sealed.Columns() {
		if moved[c.Name] == 0 {
			t.Errorf("%s had no text", c.Name)
		}
	}
	// 02 is the suite and 0001 the first key; AgAB is the same in base64.
	for kind, old := range map[string]string{"bytea": `substr(%[2]s, 1, 3) = '\x020001'`, "text": `%[2]s LIKE '%%sealed$AgAB%%'`} {
		columns := check.Column[string](t, r.Host.DB.Pool(), `
SELECT format('%s %s', c.table_name, c.column_name) FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type = $1`, kind)
		if len(columns) < 15 {
			t.Fatalf("only %d columns of %s were read", len(columns), kind)
		}
		for _, c := range columns {
			table, column, _ := strings.Cut(c, " ")
			where := fmt.Sprintf("SELECT count(*) FROM %[1]s WHERE length(%[2]s) > 30 AND "+old, table, column)
			if n := check.Count(t, r.Host.DB.Pool(), where); n > 0 {
				t.Errorf("%s: %d texts are left under the first key", c, n)
			}
		}
	}
}

// A row that a customer's call holds is passed over: the run does not wait, and says so.
func TestALockedRowIsPassedOver(t *testing.T) {
	t.Parallel()
	r := newRotated(t)
	tx, err := r.Host.DB.Pool().Begin(t.Context())
	check.Must(t, err)
	check.Exec(t, tx, "SELECT FROM account WHERE id = $1 FOR UPDATE", r.Payer.AccountIDs[0])
	if err := r.job().Run(t.Context()); !errors.Is(err, reseal.ErrBusy) {
		t.Errorf("%v, want ErrBusy", err)
	}
	if n := r.uses(t)["storage/1"]; n == 0 {
		t.Error("the locked row was moved")
	}
	check.Must(t, tx.Rollback(t.Context()))
	check.Must(t, r.job().Run(t.Context()))
	if now := r.uses(t); now["storage/1"] != 0 || now["credential/1"] != 0 {
		t.Errorf("left: %v", now)
	}
}

// Several runs share the work.
func TestRunsShareTheWork(t *testing.T) {
	t.Parallel()
	r := newRotated(t)
	for _, err := range check.AtOnce(4, func(int) error { return r.job().Run(t.Context()) }) {
		check.Must(t, err)
	}
	if now := r.uses(t); now["storage/1"] != 0 || now["credential/1"] != 0 {
		t.Errorf("left: %v", now)
	}
}

// A text that does not open stays as it is, and is counted.
func TestADamagedTextStays(t *testing.T) {
	t.Parallel()
	r := newRotated(t)
	check.Exec(t, r.Host.DB.Pool(), "UPDATE account SET alias_ct = no_ct WHERE id = $1", r.Payer.AccountIDs[0])
	damaged := map[string]int64{}
	job := r.job()
	job.Report = func(p reseal.Progress) { damaged[p.Column] = p.Damaged }
	check.Must(t, job.Run(t.Context()))
	if damaged["account.alias_ct"] != 1 || damaged["account.no_ct"] != 0 {
		t.Errorf("damaged: %v", damaged)
	}
	list, err := reseal.Count(t.Context(), r.Host.DB, r.Host.Keys, sealed.Columns(), nil)
	check.Must(t, err)
	for _, u := range list {
		if want := u.Column == "account.alias_ct"; (u.Damaged == 1) != want {
			t.Errorf("%+v", u)
		}
	}
}

// inUse are the keys that the bank uses: those of the key file, the customers' data keys and
// a channel's keys.
func (r rotated) inUse(t *testing.T) [][]byte {
	t.Helper()
	all := keytest.Clear(t, r.file)
	for _, raw := range all {
		if len(raw) == 48 { // two keys of 16 and 32 bytes
			all = append(all, raw[:16], raw[16:])
		}
	}
	f := keytest.ReadFile(t, r.file)
	for _, wrapped := range check.Column[[]byte](t, r.Host.DB.Pool(), "SELECT data_key FROM customer") {
		for i, sealed := range f.Secrets[keys.Storage] {
			if id, _ := keys.SealedBy(wrapped); int(id) != i+1 {
				continue
			}
			storage, err := sm.Open(sm.Key(f.Root), sealed, []byte(keys.Storage))
			check.Must(t, err)
			key, err := sm.Subkey(sm.Key(storage[:16]), keys.DataKeyAAD())
			check.Must(t, err)
			clear, err := sm.Open(key, wrapped[3:], keys.DataKeyAAD())
			check.Must(t, err)
			all = append(all, clear)
		}
	}
	return append(all, r.Phone.Keys.ClientToServer[:], r.Phone.Keys.ServerToClient[:])
}

// Database, cache and the key file of a process hold each key wrapped only. The core key is
// in KMS: they hold no more of it than its name, and no form of an export gets it out.
func TestKeysRestWrappedEverywhere(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-006.1", "KEY-006.3")
	r := newRotated(t)
	kms, config := keytest.NewFakeKMS(t)
	file := filepath.Join(t.TempDir(), "sealed.json")
	check.Must(t, keys.Seal(t.Context(), cloud.New(config), keys.Sealing{
		From: r.file, To: file, Key: "arn:aws:kms:eu-central-1:123456789012:key/0f1e", Process: "every-purpose", Purposes: keys.All(),
	}))
	configured, err := os.ReadFile(file)
	check.Must(t, err)
	if !strings.Contains(string(configured), "key/0f1e") {
		t.Error("the key file does not name the core key")
	}
	wantNoExport(t, file, config)
	if diff := cmp.Diff([]string{"Decrypt", "GenerateDataKey"}, kms.Asked()); diff != "" {
		t.Errorf("KMS was asked for (-want +got):\n%s", diff)
	}
	all := append(r.inUse(t), kms.Core())
	if len(all) < 40 {
		t.Fatalf("only %d keys are known", len(all))
	}
	places := map[string]string{
		"database": r.Stored(t), "cache": r.Cached(t), "key file": string(configured), "log": r.Log.String(),
		"environment": strings.Join(os.Environ(), "\n"),
	}
	for name, text := range places {
		for _, key := range all {
			for _, form := range keytest.Forms(key) {
				if strings.Contains(text, form) {
					t.Errorf("the %s holds a key of %d bytes", name, len(key))
				}
			}
		}
	}
	own, err := os.ReadFile(r.file) // the source, which the bank keeps offline, holds the root
	check.Must(t, err)
	if !strings.Contains(string(own), keytest.Forms(all[0])[3]) {
		t.Error("the search would find no key")
	}
}

// wantNoExport fails the test if a command gets the core key of a sealed file out, in clear,
// in components, encrypted to a receiver or sealed again.
func wantNoExport(t *testing.T, file string, config cloud.Config) {
	t.Helper()
	dir := t.TempDir()
	if _, err := keys.Open(t.Context(), keys.Config{File: file, AWS: config}, keys.All()...); err != nil { // the core key is used
		t.Error(err)
	}
	receiver := filepath.Join(dir, "receiver.key")
	pin, err := keys.NewReceiver(receiver)
	check.Must(t, err)
	_, split := keys.Split(shamir.Scheme{}, file, filepath.Join(dir, "split"), 3, 2)
	_, value := keys.CheckValue(file)
	for form, err := range map[string]error{
		"components": split, "check value": value, "another root": keys.RotateRoot(file),
		"to a receiver": keys.Export(t.Context(), keys.Exporting{
			From: file, To: filepath.Join(dir, "export"), Receiver: receiver + ".pub", Digest: pin,
			Process: "every-purpose", Purposes: keys.All(),
		}),
		"sealed": keys.Seal(t.Context(), cloud.New(config), keys.Sealing{
			From: file, To: filepath.Join(dir, "sealed"), Key: "arn:aws:kms:eu-central-1:123456789012:key/0f1f",
			Process: "every-purpose", Purposes: keys.All(),
		}),
	} {
		if !errors.Is(err, keys.ErrSealed) {
			t.Errorf("%s: %v, want ErrSealed", form, err)
		}
	}
	made, err := os.ReadDir(dir)
	check.Must(t, err)
	if len(made) != 2 { // the receiver's own pair
		t.Errorf("refused, and %v was made", made)
	}
}
