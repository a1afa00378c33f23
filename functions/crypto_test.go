package functions_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
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
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// All cryptography is shared/sm's, which calls a library and nothing outdated. The
// rest of the bank draws random numbers and compares in constant time; it has no
// cipher or digest of its own, and mixes no bytes.
func TestOnlySMUsesCryptography(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-020.1")
	inside := []string{
		"crypto/cipher", "crypto/ecdsa", "crypto/hmac", "crypto/mlkem", "crypto/pbkdf2", "crypto/rand", "crypto/subtle", "crypto/x509/pkix",
		"github.com/emmansun/gmsm/sm2", "github.com/emmansun/gmsm/sm3", "github.com/emmansun/gmsm/sm4",
		"github.com/emmansun/gmsm/smx509",
	}
	outside := []string{"crypto/rand", "crypto/hmac"} // of crypto/hmac only Equal: modes matches hmac.New
	about := regexp.MustCompile(`crypto|gmsm|circl|^hash($|/)|cipher|md5|sha1|blake|bcrypt|scrypt|argon`)
	modes := regexp.MustCompile(`^cipher\.New(CBC|CFB|OFB|CTR|GCMWith)|^hmac\.New$|\.(Encrypt|Decrypt)$|ECB`)
	found := 0
	inSM := func(path string) bool { return strings.HasPrefix(path, "../shared/sm/") }
	for path, file := range sources(t) {
		for _, imported := range imports(file) {
			if !about.MatchString(imported) {
				continue
			}
			found++
			// Images have digests of SHA-256 by OCI's specification, and AWS takes requests that are signed with it.
			others := []string{"../infra/release/gate/blob.go", "../shared/cloud/client.go"}
			if slices.Contains(others, path) && imported == "crypto/sha256" {
				continue
			}
			if strings.HasPrefix(path, "../shared/keys/shamir/") && strings.HasPrefix(imported, "github.com/cloudflare/circl/") {
				continue
			}
			if strings.HasPrefix(path, "../test/platform/") { // Kubernetes has a certificate authority of its own
				continue
			}
			if allowed := inSM(path) && slices.Contains(inside, imported) || slices.Contains(outside, imported); !allowed {
				t.Errorf("%s imports %s", path, imported)
			}
		}
	}
	inspect(sources(t), func(path string, n ast.Node) {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			use := types.ExprString(n)
			known := inSM(path) && (use == "hmac.New" || use == "sm2.Decrypt" ||
				use == "oneBlock.Encrypt" || // of sm.EncryptBlock
				path == "../shared/sm/selftest.go" && use == "block.Encrypt") ||
				use == "ring.Decrypt" // a method of shared/keys, which calls shared/sm
			if modes.MatchString(use) && !known && !strings.HasPrefix(use, "sm.") {
				t.Errorf("%s uses %s", path, use)
			}
		case *ast.BinaryExpr:
			if n.Op == token.XOR {
				t.Errorf("%s mixes %s", path, types.ExprString(n))
			}
		case *ast.AssignStmt:
			tampers := path == "../shared/sm/selftest.go" || path == "../test/check/check.go"
			if n.Tok == token.XOR_ASSIGN && !tampers {
				t.Errorf("%s mixes %s", path, types.ExprString(n.Lhs[0]))
			}
		}
	})
	if found < 25 {
		t.Fatalf("only %d imports of cryptography were read", found)
	}
}

// One function checks a stored password, sm.CheckPassword. No other code compares a
// password or computes its stored form.
func TestPasswordsAreVerifiedInOnePlace(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-020.2")
	about := regexp.MustCompile(`(?i)password|passwd|\bpin\b|credential`)
	computes := regexp.MustCompile(`(?i)pbkdf2|bcrypt|scrypt|argon`)
	compares := regexp.MustCompile(`^(bytes\.(Equal|Compare|EqualFold)|strings\.(Compare|EqualFold)|hmac\.Equal|` +
		`subtle\.ConstantTimeCompare|reflect\.DeepEqual|slices\.Equal)$`)
	// The factor is called TradePassword too.
	nothing := regexp.MustCompile(
		`^(nil|(stepup\.)?TradePassword|""|0|1|true|false|len\(.*|password\.(Captcha|Locked|Last|Open|Trade[A-Z][a-z]+))$`)
	checks := 0
	files := maps.Clone(sources(t))
	maps.DeleteFunc(files, func(path string, _ *ast.File) bool { return strings.HasPrefix(path, "../shared/sm/") })
	importNothing(t, files, computes)
	inspect(files, func(path string, n ast.Node) {
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
	})
	if checks != 1 {
		t.Fatalf("%d calls of CheckPassword were read, want 1", checks)
	}
}

// A stored password names its algorithm. Under any name but the allowed one, the bank
// refuses even the right password.
func TestStoredSecretsNameTheirAlgorithm(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-020.3")
	p := bank.NewPair(t, 1_000_00)
	stored := check.Column[string](t, p.Host.DB.Pool(), `
SELECT login_password FROM credential UNION ALL SELECT trade_password FROM credential
 UNION ALL SELECT card_password FROM account WHERE card_password <> ''`)
	for _, text := range stored {
		if !strings.HasPrefix(text, "pbkdf2-sm3-sealed$") {
			t.Errorf("stored: %s", text)
		}
	}
	if len(stored) != 4 { // of the payee only the card password
		t.Fatalf("%d stored secrets", len(stored))
	}
	for _, algorithm := range []string{"pbkdf2-sha256", "pbkdf2-sha1", "md5", "des", "plain", "", "PBKDF2-SM3"} {
		o := prepared(t, p, 1_00)
		o.Exec(t, `
UPDATE credential SET trade_failures = 0, trade_locked_until = NULL,
       trade_password = replace(trade_password, 'pbkdf2-sm3', $1)`, algorithm)
		o.confirm(t).Want(t, "PROOF_REJECTED")
		o.Exec(t, `
UPDATE credential SET trade_failures = 0, trade_password = 'pbkdf2-sm3' || substr(trade_password, $1)`, len(algorithm)+1)
		o.confirm(t).Want(t, "")
	}
}

// The bank signs with one key, encrypts stored data under another, and sent data under
// others again.
func TestSigningStoringAndSendingHaveTheirOwnKeys(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-008.2")
	b := bank.On(t, pgtest.Broken(t))
	ring, place, text := b.Host.Keys, []byte("customer.name_ct.7"), []byte("王小明")
	stored, err := ring.Seal(keys.Storage, place, text)
	check.Must(t, err)
	if got, err := ring.Open(keys.Storage, place, stored); err != nil || string(got) != string(text) {
		t.Fatalf("%q, %v", got, err)
	}
	var transport []channel.Keys
	for range 2 {
		client, err := channel.NewClient("phone-of-wang")
		check.Must(t, err)
		hello := check.JSON(t, client.Hello())
		var welcome channel.Welcome
		b.Device(t, "phone-of-wang").Send(t, channelopen.Function, hello).Into(t, &welcome)
		signing, err := sm.CertificateKey(welcome.Certificate, clock.System{}.Now())
		check.Must(t, err)
		passwords, err := sm.ParsePublicKey(welcome.PasswordKey)
		check.Must(t, err)
		if signing.Equal(passwords) {
			t.Error("passwords are sealed to the key that signs")
		}
		_, agreed, err := client.Finish(welcome, signing)
		check.Must(t, err)
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
