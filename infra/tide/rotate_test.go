package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/infra/sealed"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// The operator rotates a key, sees it in the list, and is refused what is too early.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	_, _, err := tide("keys", "init", "--file", file)
	check.Must(t, err)
	stdout, _, err := tide("keys", "rotate", "--file", file, "--purpose", "storage")
	if err != nil || !strings.HasPrefix(stdout, "Made storage/2.") {
		t.Errorf("it says %q, %v", stdout, err)
	}
	list, _, err := tide("keys", "list", "--file", file)
	if err != nil || !regexp.MustCompile(`(?m)^storage/1 +current .*\nstorage/2 +next +made \d{4}-`).MatchString(list) {
		t.Errorf("the list is\n%s%v", list, err)
	}
	for _, raw := range keytest.Clear(t, file) {
		if strings.Contains(list, string(raw)) {
			t.Error("the list shows a key")
		}
	}
	for name, args := range map[string][]string{
		"too soon":      {"rotate", "--file", file, "--purpose", "ledger", "--after", "1m"},
		"too late":      {"rotate", "--file", file, "--purpose", "ledger", "--after", "100000h"},
		"a waiting key": {"rotate", "--file", file, "--purpose", "storage"},
		"channel":       {"rotate", "--file", file, "--purpose", "channel"},
		"no purpose":    {"rotate", "--file", file, "--purpose", "x"},
		"no file":       {"rotate", "--file", file + ".none", "--purpose", "ledger"},
		"no flag":       {"rotate", "--file", file},
	} {
		if stdout, _, err := tide(append([]string{"keys"}, args...)...); exitCode(err) != exitFailed || stdout != "" {
			t.Errorf("%s: %q, %v", name, stdout, err)
		}
	}
	before := keytest.ReadFile(t, file)
	if _, _, err := tide("keys", "rotate", "--file", file, "--purpose", "root"); err != nil {
		t.Error(err)
	}
	if bytes.Equal(before.Root, keytest.ReadFile(t, file).Root) {
		t.Error("the root is the same")
	}
}

// A key that is past its renewal is a fault, and the exit code says so.
func TestKeysListTellsOverdueKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(path))
	f := keytest.ReadFile(t, path)
	now := clock.System{}.Now()
	f.Times[keys.Ledger] = []keytest.Times{{Made: now.Add(-keys.Ledger.Life() - 1)}}
	f.Times[keys.Audit] = []keytest.Times{{Made: now.Add(-keys.Audit.Life()).AddDate(0, 0, 1)}}
	_, stderr, err := tide("keys", "list", "--file", f.Write(t))
	if exitCode(err) != exitFault || !strings.Contains(stderr, "ledger/1") || strings.Contains(stderr, "audit/1") {
		t.Errorf("%q, %v", stderr, err)
	}
}

// run is a command of one process, whose environment is the test's.
func run(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	stdout, _, err = tide(args...)
	return stdout, err
}

// A key's whole life from the command line: rotate, re-encrypt, verify, retire. A key that
// is needed is not destroyed.
func TestAKeyOnTheCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	check.Must(t, keys.Create(file))
	db, url := pgtest.NewURL(t)
	b := bank.OnKeys(t, db, func(clock.Clock) *keys.Ring {
		ring, err := keys.Open(t.Context(), keys.Config{File: file}, keys.All()...)
		check.Must(t, err)
		return ring
	})
	p := bank.PairOn(t, b, 1_000_00)
	p.Confirm(t, p.Proved(t, p.Prepare(t, p.ToPayee(1_00)))).Want(t, "")
	p.Token(t)
	t.Setenv("DATABASE_URL", url)
	t.Setenv("KEYS_FILE", file)
	t.Setenv("FN_ALLOW_PLAINTEXT", "true")

	stdout, err := run(t, "keys", "verify")
	if exitCode(err) != 0 || !strings.Contains(stdout, "none needs an older key") {
		t.Errorf("before: %q, %v", stdout, err)
	}
	for _, purpose := range append(sealed.Moved(), keys.Ledger, keys.Pepper) {
		keytest.AddKey(t, file, purpose, clock.System{}.Now().Add(-2*time.Hour))
	}
	stdout, err = run(t, "keys", "verify")
	old := regexp.MustCompile(`customer.data_key +storage/1 .*an older key`)
	if exitCode(err) != exitFault || !errors.Is(err, errOldKeys) || !old.MatchString(stdout) {
		t.Errorf("after the rotation: %q, %v", stdout, err)
	}
	retire := func(purpose keys.Purpose) error {
		_, err := run(t, "keys", "retire", "--file", file, "--purpose", string(purpose), "--id", "1")
		return err
	}
	for _, purpose := range append(sealed.Moved(), keys.Ledger, keys.Pepper) {
		if err := retire(purpose); !errors.Is(err, errInUse) || exitCode(err) != exitFailed {
			t.Errorf("%s/1 is needed: %v", purpose, err)
		}
	}
	stdout, err = run(t, "keys", "reencrypt")
	if err != nil || !regexp.MustCompile(`(?m)^customer.data_key +moved 2$`).MatchString(stdout) {
		t.Errorf("reencrypt: %q, %v", stdout, err)
	}
	if stdout, err = run(t, "keys", "verify"); exitCode(err) != 0 {
		t.Errorf("verify: %q, %v", stdout, err)
	}
	for _, purpose := range sealed.Moved() {
		check.Must(t, retire(purpose))
	}
	for _, purpose := range []keys.Purpose{keys.Ledger, keys.Pepper} {
		if err := retire(purpose); !errors.Is(err, errInUse) {
			t.Errorf("records still need %s/1: %v", purpose, err)
		}
	}
	check.Exec(t, db.Pool(), "UPDATE customer SET data_key = set_byte(data_key, 20, get_byte(data_key, 20) # 1) WHERE id = $1", p.Payee.ID)
	if stdout, err = run(t, "keys", "verify"); exitCode(err) != exitFault || !errors.Is(err, errDamaged) {
		t.Errorf("a damaged text: %q, %v", stdout, err)
	}
	for _, args := range [][]string{{"ledger", "verify"}, {"audit", "verify"}} {
		if stdout, err := run(t, args...); exitCode(err) != 0 {
			t.Errorf("%v: %q, %v", args, stdout, err)
		}
	}
	t.Setenv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
	if _, err := run(t, "ledger", "verify"); exitCode(err) != exitFailed {
		t.Errorf("without the database: %v", err)
	}
}

// typed runs a command with input from the keyboard.
func typed(input string, args ...string) (stdout, stderr string, err error) {
	var out, problem bytes.Buffer
	c := newCommand()
	c.SetArgs(args)
	c.SetIn(strings.NewReader(input))
	c.SetOut(&out)
	c.SetErr(&problem)
	err = c.Execute()
	return out.String(), problem.String(), err
}

// A ceremony with files: each custodian has a file, and any three of five make the keys.
func TestACeremonyWithFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file, wrapped, joined := filepath.Join(folder, "keys.json"), filepath.Join(folder, "wrapped.json"), filepath.Join(folder, "joined.json")
	check.Must(t, keys.Create(file))
	custody := filepath.Join(folder, "new", "custody")
	stdout, stderr, err := tide("keys", "split", "--file", file, "--wrapped", wrapped, "--out", custody)
	check.Must(t, err)
	if info, err := os.Stat(custody); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	var components []string
	for _, n := range []string{"1", "2", "3", "4", "5"} {
		name := filepath.Join(custody, "component-"+n+".txt")
		info, err := os.Stat(name)
		check.Must(t, err)
		text, err := os.ReadFile(name)
		check.Must(t, err)
		if info.Mode().Perm() != 0o600 || strings.Contains(stdout+stderr, strings.Split(string(text), "-")[4]) {
			t.Errorf("%s has mode %v, or the output shows it", name, info.Mode())
		}
		components = append(components, name)
	}
	args := []string{"keys", "join", "--file", wrapped, "--out", joined}
	if _, _, err := tide(append(args, "--component", components[0], "--component", components[4])...); !errors.Is(err, keys.ErrTooFew) {
		t.Errorf("two components: %v", err)
	}
	said, _, err := tide(append(args, "--component", components[4], "--component", components[0], "--component", components[2])...)
	check.Must(t, err)
	value := regexp.MustCompile(`check value .*([0-9A-F]{6})\.`)
	if value.FindStringSubmatch(said)[1] != value.FindStringSubmatch(stdout)[1] {
		t.Errorf("split said %q, join %q", stdout, said)
	}
	if !bytes.Equal(keytest.ReadFile(t, file).Root, keytest.ReadFile(t, joined).Root) {
		t.Error("the root is another one")
	}
	if _, _, err := tide("keys", "split", "--file", file, "--wrapped", wrapped+"2", "--out", custody); !errors.Is(err, fs.ErrExist) {
		t.Errorf("components are replaced: %v", err)
	}
	if _, err := os.Stat(wrapped + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file without its components was left")
	}
}

// A ceremony at the screen: each custodian sees one component, which the screen forgets.
// A mistyped component is asked again.
func TestACeremonyAtTheScreen(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file, wrapped, joined := filepath.Join(folder, "keys.json"), filepath.Join(folder, "wrapped.json"), filepath.Join(folder, "joined.json")
	check.Must(t, keys.Create(file))
	split := []string{"keys", "split", "--file", file, "--wrapped", wrapped, "--shares", "3", "--threshold", "2"}
	if _, _, err := typed("\n\n\n", split...); !errors.Is(err, errInput) {
		t.Errorf("the ceremony broke off: %v", err)
	}
	stdout, _, err := typed(strings.Repeat("\n", 6), split...)
	check.Must(t, err)
	screens := strings.Split(stdout, clearScreen)
	form := regexp.MustCompile(`TIDE1-[0-9A-F-]+`)
	var components []string
	for _, screen := range screens[:3] {
		found := form.FindAllString(screen, -1)
		if len(found) != 1 {
			t.Fatalf("%d components on one screen", len(found))
		}
		components = append(components, found[0])
	}
	if len(screens) != 4 || form.MatchString(screens[3]) {
		t.Errorf("%d screens", len(screens))
	}
	wrong := strings.Replace(components[0], "-", "-0", 3)
	input := strings.Join([]string{wrong, components[2], components[0]}, "\n") + "\n"
	stdout, stderr, err := typed(input, "keys", "join", "--file", wrapped, "--out", joined)
	check.Must(t, err)
	for _, text := range append(components, wrong) {
		if strings.Contains(stdout+stderr, text) {
			t.Error("the command repeats a component")
		}
	}
	if !strings.Contains(stdout, "checksum is wrong") || !bytes.Equal(keytest.ReadFile(t, file).Root, keytest.ReadFile(t, joined).Root) {
		t.Errorf("it says %q", stdout)
	}
}

// Each command of keys tells its exit codes, or what it does when it fails.
func TestKeysCommandsHaveHelp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"list", "rotate", "retire", "reencrypt", "verify", "split", "join"} {
		if stdout, _, err := tide("keys", name, "--help"); err != nil || !strings.Contains(stdout, "exits with 0") {
			t.Errorf("%s: %q, %v", name, stdout, err)
		}
	}
}
