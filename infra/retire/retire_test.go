package retire_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gopkg.in/yaml.v3"

	"github.com/alicebob/miniredis/v2"

	"github.com/tidebank/tidebank/infra/pgserver"
	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/infra/retire"
	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// old is a bank that is to be retired: a database with rows, roles, a Redis with sessions,
// a key file with its copy, and a file with a secret.
type old struct {
	retire.Order
	name  string // of the database
	redis *miniredis.Miniredis
	key   *sm.PrivateKey
	log   *bytes.Buffer
}

const insertEvent = "INSERT INTO outbox (id, type, subject, customerhash, data) VALUES ($1, 'x', '', '', '{}')"

var errUnsound = errors.New("the ledger of the restored backup is not sound")

func newOld(t *testing.T) *old {
	t.Helper()
	db, address := pgtest.NewURL(t)
	for range 2 {
		check.Exec(t, db.Pool(), insertEvent, uuid.NewString())
	}
	db.Close()
	dir := t.TempDir()
	o := &old{redis: miniredis.RunT(t), log: &bytes.Buffer{}}
	u, err := url.Parse(address)
	check.Must(t, err)
	o.name = strings.TrimPrefix(u.Path, "/")
	for key := range strings.FieldsSeq("{0a}:channel {0a}:login {0a}:rate:query rate:query:x logins:x refused:1 captcha:x failures:x") {
		check.Must(t, o.redis.Set(key, "1"))
	}
	check.Must(t, keys.Create(dir+"/keys.json"))
	check.Must(t, os.WriteFile(dir+"/sms-secret", []byte("x"), 0o600))
	text, err := os.ReadFile(dir + "/keys.json")
	check.Must(t, err)
	check.Must(t, os.WriteFile(dir+"/keys-of-the-archive.json", text, 0o600))
	bin, err := pgserver.FindBin()
	check.Must(t, err)
	o.Order = retire.Order{
		Database: address, Redis: "redis://" + o.redis.Addr(), KeyFile: dir + "/keys.json", KeyCopy: dir + "/keys-of-the-archive.json",
		Secrets: []string{dir + "/sms-secret"}, Backup: dir + "/backup", Programs: bin, Now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC),
		Log: o.log, VerifyLedger: soundLedger,
	}
	o.trust(t, dir)
	o.approve(t, "2026-11-20", o.name, "moved to the new system")
	return o
}

// soundLedger stands for the check of the bank's ledger. It also sees that the restored
// database has the bank's tables.
func soundLedger(ctx context.Context, db *pg.DB) error {
	var n int
	if err := db.Pool().QueryRow(ctx, "SELECT count(*) FROM posting").Scan(&n); err != nil {
		return err
	}
	return nil
}

func (o *old) trust(t *testing.T, dir string) {
	t.Helper()
	var err error
	o.key, err = sm.GenerateKey()
	check.Must(t, err)
	public, err := o.key.Public().Marshal()
	check.Must(t, err)
	text, err := yaml.Marshal(record.Trust{Signers: []record.Signer{
		{Name: "li", Kinds: []record.Kind{record.Retirement}, Key: base64.StdEncoding.EncodeToString(public)},
		{Name: "wang", Kinds: []record.Kind{record.Review}, Key: base64.StdEncoding.EncodeToString(public)},
	}})
	check.Must(t, err)
	check.Must(t, os.WriteFile(filepath.Join(dir, record.TrustFile), text, 0o600))
	o.Trust, err = record.LoadTrust(dir)
	check.Must(t, err)
}

func (o *old) approve(t *testing.T, at, database, reason string) {
	t.Helper()
	o.Approval = record.Record{Kind: record.Retirement, Subject: database, At: at, By: "li", Says: map[string]string{"reason": reason}}
	check.Must(t, o.Approval.Sign(o.key))
}

// whole fails the test unless everything of the bank is still there.
func (o *old) whole(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), o.Database)
	check.Must(t, err)
	defer conn.Close(t.Context())
	var rows int
	check.Must(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM outbox").Scan(&rows))
	if rows < 2 || len(o.redis.Keys()) < 8 {
		t.Errorf("%d rows and %d keys are left", rows, len(o.redis.Keys()))
	}
	for _, path := range append([]string{o.KeyFile}, o.Secrets...) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// Without a valid approval of this very database, nothing is done: no backup, and no
// removal.
func TestAnApprovalIsNeeded(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-021.1")
	o := newOld(t)
	for name, spoil := range map[string]func(){
		"none":           func() { o.Approval = record.Record{} },
		"unsigned":       func() { o.Approval.Signature = "" },
		"changed":        func() { o.Approval.Says["reason"] = "another" },
		"another person": func() { o.Approval.By = "wang"; check.Must(t, o.Approval.Sign(o.key)) },
		"another bank":   func() { o.approve(t, "2026-11-20", "other", "moved") },
		"no reason":      func() { o.approve(t, "2026-11-20", o.name, "") },
		"old":            func() { o.approve(t, "2026-08-01", o.name, "moved") },
		"to come":        func() { o.approve(t, "2026-12-01", o.name, "moved") },
		"another kind":   func() { o.Approval.Kind = record.Review; check.Must(t, o.Approval.Sign(o.key)) },
	} {
		o.approve(t, "2026-11-20", o.name, "moved to the new system")
		spoil()
		if err := retire.Run(t.Context(), o.Order); !errors.Is(err, retire.ErrApproval) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(o.Backup); err == nil {
		t.Error("it began the backup")
	}
	o.whole(t)
}

// Whatever is wrong before the removal leaves everything as it is.
func TestABackupThatFailsStopsTheRemoval(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-021.2")
	o := newOld(t)
	good := o.Order
	for name, c := range map[string]struct {
		spoil func()
		want  error
	}{
		"no pg_dump":     {func() { o.Programs = t.TempDir() }, retire.ErrBackup},
		"a damaged dump": {func() { o.Programs = damaging(t, good.Programs, `truncate -s 2000 "$file"`) }, retire.ErrBackup},
		"an empty dump":  {func() { o.Programs = damaging(t, good.Programs, `: > "$file"`) }, retire.ErrBackup},
		"a dump without a table": {func() {
			o.Programs = damaging(t, good.Programs, `"$real"/pg_dump --format=custom --exclude-table=outbox --file="$file" "$database"`)
		}, retire.ErrBackup},
		"a dump without rows": {func() {
			o.Programs = damaging(t, good.Programs, `"$real"/pg_dump -Fc --exclude-table-data=outbox --file="$file" "$database"`)
		}, retire.ErrBackup},
		"an unsound ledger": {func() { o.VerifyLedger = func(context.Context, *pg.DB) error { return errUnsound } }, errUnsound},
		"a write meanwhile": {func() {
			o.VerifyLedger = func(ctx context.Context, _ *pg.DB) error {
				conn, err := pgx.Connect(ctx, o.Database)
				if err != nil {
					return err
				}
				defer conn.Close(ctx)
				_, err = conn.Exec(ctx, insertEvent, uuid.NewString())
				return err
			}
		}, retire.ErrBackup},
		"no copy of the keys":    {func() { o.KeyCopy = t.TempDir() + "/none" }, retire.ErrKeyCopy},
		"the keys as their copy": {func() { o.KeyCopy = o.KeyFile }, retire.ErrKeyCopy},
		"a copy of other keys":   {func() { o.KeyCopy = o.Secrets[0] }, retire.ErrKeyCopy},
		"another system's Redis": {func() { check.Must(t, o.redis.Set("shop:cart", "1")) }, retire.ErrForeign},
	} {
		o.Order = good
		c.spoil()
		if err := retire.Run(t.Context(), o.Order); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		o.redis.Del("shop:cart")
		o.whole(t)
	}
	o.Order = good
	conn, err := pgx.Connect(t.Context(), o.Database)
	check.Must(t, err)
	if err := retire.Run(t.Context(), o.Order); !errors.Is(err, retire.ErrBusy) {
		t.Errorf("a function still runs: %v", err)
	}
	check.Must(t, conn.Close(t.Context()))
	o.whole(t)
}

// damaging is a folder of PostgreSQL's programs whose pg_dump works, and then runs a line
// that damages the backup.
func damaging(t *testing.T, real, line string) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/usr/bin/env bash\nset -euo pipefail\nreal=" + real + "\n\"$real\"/pg_dump \"$@\"\n" +
		"for a in \"$@\"; do case $a in --file=*) file=${a#--file=} ;; esac; done\ndatabase=${!#}\n" + line + "\n"
	check.Must(t, os.WriteFile(dir+"/pg_dump", []byte(script), 0o700))
	check.Must(t, os.Symlink(real+"/pg_restore", dir+"/pg_restore"))
	return dir
}

// After the procedure, nothing is left but the backup, which can be restored. The check
// lists everything before it.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-021.3")
	o, another := newOld(t), newOld(t)
	check.Must(t, roles.Apply(t.Context(), o.Database))
	before, err := retire.Left(t.Context(), o.Order)
	check.Must(t, err)
	for _, want := range []string{
		"database " + o.name, "role tidebank_transfer_confirm", "8 keys of Redis", "secret " + o.KeyFile, "secret " + o.Secrets[0],
	} {
		if !strings.Contains(strings.Join(before, "\n"), want) {
			t.Errorf("before, the check does not list %q: %q", want, before)
		}
	}
	check.Must(t, roles.Apply(t.Context(), another.Database)) // roles are the server's
	if err := retire.Run(t.Context(), o.Order); err != nil || !strings.Contains(o.log.String(), "another database uses it") {
		t.Fatal(err, o.log)
	}
	if left, err := retire.Left(t.Context(), o.Order); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	if _, err := pgx.Connect(t.Context(), o.Database); err == nil {
		t.Error("the database is still there")
	}
	if len(o.redis.Keys()) > 0 {
		t.Errorf("keys: %v", o.redis.Keys())
	}
	for _, file := range []string{o.name + ".dump"} {
		if info, err := os.Stat(filepath.Join(o.Backup, file)); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	another.whole(t)
	if err := retire.Run(t.Context(), another.Order); err != nil {
		t.Fatal(err, another.log)
	}
	conn, err := pgx.Connect(t.Context(), strings.Replace(o.Database, "/"+o.name, "/postgres", 1))
	check.Must(t, err)
	defer conn.Close(t.Context())
	var left int
	check.Must(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'tidebank\\_%'").Scan(&left))
	if left > 0 {
		t.Errorf("%d roles are left", left)
	}
	// What comes back is found.
	check.Must(t, o.redis.Set("captcha:y", "1"))
	check.Must(t, os.WriteFile(o.KeyFile, nil, 0o600))
	if left, err := retire.Left(t.Context(), o.Order); err != nil || len(left) != 2 {
		t.Errorf("left: %q, %v", left, err)
	}
}
