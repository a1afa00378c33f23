package main

import (
	"encoding/base64"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// The command retires a bank with customers and money, whose keys are in a file, and
// the check finds nothing afterwards. A backup whose ledger is changed stops it.
func TestRetireCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, address := pgtest.NewURL(t)
	db.Close()
	server := miniredis.RunT(t)
	check.Must(t, server.Set("captcha:x", "1"))
	check.Must(t, keys.Create(dir+"/keys.json"))
	text, err := os.ReadFile(dir + "/keys.json")
	check.Must(t, err)
	check.Must(t, os.WriteFile(dir+"/copy.json", text, 0o600))
	fill(t, address, dir+"/keys.json")
	approve(t, dir, address)
	program := dir + "/tide"
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = append(os.Environ(), "DATABASE_URL="+address, "REDIS_URL=redis://"+server.Addr(), "KEYS_FILE="+dir+"/keys.json",
			"FN_ALLOW_PLAINTEXT=true")
		text, err := cmd.CombinedOutput()
		return string(text), err
	}
	retire := []string{
		"retire", "run", "--trust", dir, "--approval", dir + "/approval.yaml", "--backup", dir + "/backup",
		"--archived-keys", dir + "/copy.json",
	}
	execute(t, address, "ALTER TABLE entry DISABLE TRIGGER ALL; UPDATE entry SET amount = amount + 1; ALTER TABLE entry ENABLE TRIGGER ALL")
	if out, err := run(retire...); err == nil || !strings.Contains(out, errLedger.Error()) {
		t.Fatalf("a changed ledger: %v, %s", err, out)
	}
	execute(t, address, "ALTER TABLE entry DISABLE TRIGGER ALL; UPDATE entry SET amount = amount - 1; ALTER TABLE entry ENABLE TRIGGER ALL")
	if out, err := run("retire", "check"); err == nil || !strings.Contains(out, "database ") || !strings.Contains(out, "1 keys of Redis") {
		t.Errorf("before: %v, %s", err, out)
	}
	if out, err := run(retire...); err != nil || !strings.Contains(out, "Nothing of the bank is left") {
		t.Fatalf("%v, %s", err, out)
	}
	if out, err := run("retire", "check"); err != nil {
		t.Errorf("after: %v, %s", err, out)
	}
}

// fill gives the bank a customer with money.
func fill(t *testing.T, address, keyFile string) {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Config{URL: address, MaxConns: 4})
	check.Must(t, err)
	defer db.Close()
	ring, err := keys.Open(t.Context(), keys.Config{File: keyFile}, keys.All()...)
	check.Must(t, err)
	b := bank.On(t, db)
	s := seed.Seeder{DB: db, Ring: ring, Passwords: password.NewStore(ring, b.Host.Hashing), Clock: b.Clock}
	_, err = s.Add(t.Context(), seed.Made("王小明", 1, 100))
	check.Must(t, err)
}

func execute(t *testing.T, address, sql string) {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Config{URL: address, MaxConns: 1})
	check.Must(t, err)
	defer db.Close()
	check.Exec(t, db.Pool(), sql)
}

// approve writes a trust file and a signed approval for the database.
func approve(t *testing.T, dir, address string) {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	public, err := key.Public().Marshal()
	check.Must(t, err)
	text, err := yaml.Marshal(record.Trust{Signers: []record.Signer{
		{Name: "li", Kinds: []record.Kind{record.Retirement}, Key: base64.StdEncoding.EncodeToString(public)},
	}})
	check.Must(t, err)
	check.Must(t, os.WriteFile(dir+"/"+record.TrustFile, text, 0o600))
	u, err := url.Parse(address)
	check.Must(t, err)
	r := record.Record{
		Kind: record.Retirement, Subject: strings.TrimPrefix(u.Path, "/"), At: time.Now().UTC().Format(record.Day), By: "li",
		Says: map[string]string{"reason": "moved"},
	}
	check.Must(t, r.Sign(key))
	check.Must(t, r.WriteFile(dir+"/approval.yaml"))
}
