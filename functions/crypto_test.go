package functions_test

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strings"
	"testing"

	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// All cryptography is shared/sm's, which calls a library and nothing outdated. The
// rest of the bank draws random numbers and compares in constant time; it has no
// cipher or digest of its own, and mixes no bytes.
func TestCryptographyHasOneDoor(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-020.1")
	inside := []string{
		"crypto/cipher", "crypto/ecdsa", "crypto/hmac", "crypto/pbkdf2", "crypto/rand", "crypto/subtle", "crypto/x509/pkix",
		"github.com/emmansun/gmsm/sm2", "github.com/emmansun/gmsm/sm3", "github.com/emmansun/gmsm/sm4",
		"github.com/emmansun/gmsm/smx509",
	}
	outside := []string{"crypto/rand", "crypto/hmac"} // of the latter Equal alone
	about := regexp.MustCompile(`crypto|gmsm|^hash($|/)|cipher|md5|sha1|blake|bcrypt|scrypt|argon`)
	modes := regexp.MustCompile(`^cipher\.New(CBC|CFB|OFB|CTR|GCMWith)|^hmac\.New$|\.(Encrypt|Decrypt)$|ECB`)
	doors := 0
	for path, file := range sources(t) {
		in := strings.HasPrefix(path, "../shared/sm/")
		for _, imported := range imports(file) {
			if !about.MatchString(imported) {
				continue
			}
			doors++
			if allowed := (in && slices.Contains(inside, imported)) || slices.Contains(outside, imported); !allowed {
				t.Errorf("%s imports %s", path, imported)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				use := types.ExprString(n)
				known := in && (use == "hmac.New" || use == "sm2.Decrypt" ||
					path == "../shared/sm/selftest.go" && use == "block.Encrypt") ||
					use == "ring.Decrypt" // by shared/keys, which decides how
				if modes.MatchString(use) && !known && !strings.HasPrefix(use, "sm.") {
					t.Errorf("%s uses %s", path, use)
				}
			case *ast.BinaryExpr:
				if n.Op == token.XOR {
					t.Errorf("%s mixes %s", path, types.ExprString(n))
				}
			case *ast.AssignStmt:
				if n.Tok == token.XOR_ASSIGN && types.ExprString(n.Lhs[0]) != "sealed[len(sealed) - 1]" { // the self-test tampers
					t.Errorf("%s mixes %s", path, types.ExprString(n.Lhs[0]))
				}
			}
			return true
		})
	}
	if doors < 25 {
		t.Fatalf("only %d imports of cryptography were read", doors)
	}
}

// A stored password is looked at in one place, sm.CheckPassword: nothing else
// compares one or computes what is stored of it.
func TestPasswordsAreVerifiedInOnePlace(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-020.2")
	about := regexp.MustCompile(`(?i)password|passwd|\bpin\b|credential`)
	computes := regexp.MustCompile(`(?i)pbkdf2|bcrypt|scrypt|argon`)
	compares := regexp.MustCompile(`^(bytes\.(Equal|Compare|EqualFold)|strings\.(Compare|EqualFold)|hmac\.Equal|` +
		`subtle\.ConstantTimeCompare|reflect\.DeepEqual|slices\.Equal)$`)
	// The factor is called TradePassword too.
	nothing := regexp.MustCompile(
		`^(nil|(stepup\.)?TradePassword|""|0|1|true|false|len\(.*|password\.(Captcha|Locked|Last|Open))$`)
	checks := 0
	for path, file := range sources(t) {
		if strings.HasPrefix(path, "../shared/sm/") {
			continue
		}
		for _, imported := range imports(file) {
			if computes.MatchString(imported) {
				t.Errorf("%s imports %s", path, imported)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				left, right := types.ExprString(n.X), types.ExprString(n.Y)
				if (n.Op == token.EQL || n.Op == token.NEQ) && (about.MatchString(left) || about.MatchString(right)) &&
					!nothing.MatchString(left) && !nothing.MatchString(right) && !strings.Contains(left, "CheckPassword(") {
					t.Errorf("%s compares %s with %s", path, left, right)
				}
			case *ast.CallExpr:
				called := types.ExprString(n.Fun)
				if called == "sm.CheckPassword" {
					checks++
				}
				for _, arg := range n.Args {
					if compares.MatchString(called) && about.MatchString(types.ExprString(arg)) {
						t.Errorf("%s compares %s", path, types.ExprString(arg))
					}
				}
			}
			return true
		})
	}
	if checks < 2 {
		t.Fatalf("only %d calls of CheckPassword were read", checks)
	}
}

// What is stored of a password names how it was made; under another name than the
// allowed one it verifies nothing, not even the right password.
func TestStoredSecretsNameTheirAlgorithm(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-020.3")
	b := bank.New(t)
	wang := b.Customer(t, "王小明", 1_000_00, 0)
	phone := b.Device(t, "phone-of-wang")
	phone.LoginAs(t, wang)
	rows, err := b.Host.DB.Pool().Query(t.Context(), `
SELECT login_password FROM credential UNION ALL SELECT trade_password FROM credential
 UNION ALL SELECT card_password FROM account WHERE card_password <> ''`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	stored := 0
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		if stored++; !strings.HasPrefix(text, "pbkdf2-sm3$") {
			t.Errorf("stored: %s", text)
		}
	}
	if rows.Err() != nil || stored != 3 {
		t.Fatalf("%d stored secrets, %v", stored, rows.Err())
	}
	for _, algorithm := range []string{"pbkdf2-sha256", "pbkdf2-sha1", "md5", "des", "plain", "", "PBKDF2-SM3"} {
		o := prepared(t, b, phone, wang.AccountIDs, 1_00)
		o.exec(t, `
UPDATE credential SET trade_failures = 0, trade_locked_until = NULL,
       trade_password = replace(trade_password, 'pbkdf2-sm3', $1)`, algorithm)
		o.confirm(t).Want(t, "PROOF_REJECTED")
		o.exec(t, "UPDATE credential SET trade_failures = 0, trade_password = 'pbkdf2-sm3' || substr(trade_password, $1)", len(algorithm)+1)
		o.confirm(t).Want(t, "")
	}
}

// The bank signs with one key, encrypts what it stores under another, and what it
// sends under others again.
func TestSigningStoringAndSendingHaveTheirOwnKeys(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-008.2")
	b := bank.On(t, pgtest.Broken(t))
	ring, place, text := b.Host.Keys, []byte("customer.name_ct.7"), []byte("王小明")
	stored, err := ring.Seal(keys.Storage, place, text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ring.Open(keys.Storage, place, stored); err != nil || string(got) != string(text) {
		t.Fatalf("%q, %v", got, err)
	}
	var transport []channel.Keys
	for range 2 {
		client, err := channel.NewClient("phone-of-wang")
		if err != nil {
			t.Fatal(err)
		}
		hello, err := json.Marshal(client.Hello())
		if err != nil {
			t.Fatal(err)
		}
		var welcome channel.Welcome
		b.Device(t, "phone-of-wang").Send(t, channelopen.Function, hello).Into(t, &welcome)
		signing, err := sm.CertificateKey(welcome.Certificate, clock.System{}.Now())
		if err != nil {
			t.Fatal(err)
		}
		passwords, err := sm.ParsePublicKey(welcome.PasswordKey)
		if err != nil {
			t.Fatal(err)
		}
		if signing.Equal(passwords) {
			t.Error("passwords are sealed to the key that signs")
		}
		_, agreed, err := client.Finish(welcome, signing)
		if err != nil {
			t.Fatal(err)
		}
		transport = append(transport, agreed)
	}
	all := map[sm.Key]bool{}
	for _, k := range transport {
		for _, key := range []sm.Key{k.ClientToServer, k.ServerToClient} {
			all[key] = true
			if _, err := sm.Open(key, stored[3:], place); err == nil {
				t.Error("what is stored opens under a key of the transport")
			}
		}
	}
	if len(all) != 4 {
		t.Errorf("of the keys of two channels %d are different, want 4", len(all))
	}
	for _, p := range []keys.Purpose{keys.Session, keys.Event, keys.Ledger, keys.OTP, keys.Audit} {
		if _, err := ring.Open(p, place, stored); err == nil {
			t.Errorf("what is stored opens under the key of %s", p)
		}
	}
}
