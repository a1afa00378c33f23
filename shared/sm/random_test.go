package sm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

const randomProcess = "SM_TEST_RANDOM_PROCESS"

var errRandom = errors.New("the random source has failed")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errRandom }

// Without random numbers there are no keys. The source belongs to the process, so
// one of its own is spent on it.
func TestNoKeysWithoutRandomness(t *testing.T) {
	t.Parallel()
	if os.Getenv(randomProcess) != "" {
		generateWithoutRandomness(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	self, err := os.Executable()
	check.Must(t, err)
	child := exec.CommandContext(ctx, self, "-test.run=^TestNoKeysWithoutRandomness$", "-test.v")
	child.Env = append(os.Environ(), randomProcess+"=1")
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "tried all") {
		t.Fatalf("%v\n%s", err, out)
	}
	req.Covers(t, "KEY-002.1")
}

func generateWithoutRandomness(t *testing.T) {
	ring := keytest.New(t)
	generators := map[string]func() (any, error){
		"GenerateKey":    func() (any, error) { k, err := sm.GenerateKey(); return orNil(k), err },
		"GenerateKEMKey": func() (any, error) { k, err := sm.GenerateKEMKey(); return orNil(k), err },
		"NewClient":      func() (any, error) { c, err := channel.NewClient("device-1"); return orNil(c), err },
		"NewKey":         func() (any, error) { return recovered(func() any { return sm.NewKey() }) },
		"NewDataKey": func() (any, error) {
			return recovered(func() any { _, wrapped, err := ring.NewDataKey(); check.Must(t, err); return wrapped })
		},
		"NewTestRing": func() (any, error) {
			return recovered(func() any { r, err := keys.NewTestRing(); check.Must(t, err); return r })
		},
	}
	good := rand.Reader
	for _, source := range []struct {
		fails bool
		use   func()
	}{{false, func() {}}, {true, func() { rand.Reader = failing{} }}, {false, func() { rand.Reader = good }}} {
		source.use()
		for name, generate := range generators {
			key, err := generate()
			if source.fails && (key != nil || !errors.Is(err, errRandom)) || !source.fails && (key == nil || err != nil) {
				t.Errorf("%s, the source failing %v: %v, %v", name, source.fails, key, err)
			}
		}
	}
	t.Log("tried all")
}

func orNil[T any](value *T) any {
	if value == nil {
		return nil
	}
	return value
}

// recovered turns the panic of a generator that returns no error into its error.
func recovered(generate func() any) (key any, err error) {
	defer func() {
		if r := recover(); r != nil {
			key = nil
			if err, _ = r.(error); err == nil {
				err = fmt.Errorf("panic: %v", r)
			}
		}
	}()
	return generate(), nil
}

// A sample of generated keys shows no repeat and no pattern. Each of three tests
// fails a good generator once in ten thousand samples, so a second sample decides.
func TestGeneratedKeysLookRandom(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-002.2")
	const count = 100_000
	var failed []string
	for range 2 {
		sample, seen := make([]byte, 0, count*len(sm.Key{})), make(map[sm.Key]bool, count)
		for range count {
			k := sm.NewKey()
			seen[k] = true
			sample = append(sample, k[:]...)
		}
		if len(seen) != count {
			t.Fatalf("of %d keys %d are different", count, len(seen))
		}
		if failed = patterns(sample); len(failed) == 0 {
			break
		}
	}
	if len(failed) > 0 {
		t.Errorf("the keys fail %v", failed)
	}
	// The tests find what is no random sample.
	halves := bytes.Repeat([]byte{0x0f}, 1<<16)
	biased := make([]byte, 1<<16)
	_, _ = rand.Read(biased)
	for i := range biased {
		if i%50 == 0 {
			biased[i] = 0xff
		}
	}
	if len(patterns(halves)) == 0 || len(patterns(biased)) == 0 {
		t.Error("the tests find no pattern in what has one")
	}
}

// patterns runs the monobit, poker (of four bits) and runs tests of GM/T 0005-2021
// at significance 0.0001 and names those that fail.
func patterns(sample []byte) (failed []string) {
	const alpha = 0.0001
	const poker15 = 44.263 // what chi-squared with 15 degrees of freedom exceeds once in 10,000
	n := float64(8 * len(sample))
	ones, runs, last := 0, 1, int(sample[0]>>7)
	var hands [16]float64
	for _, b := range sample {
		ones += bits.OnesCount8(b)
		hands[b>>4]++
		hands[b&15]++
		for i := 7; i >= 0; i-- {
			bit := int(b>>i) & 1
			if bit != last {
				runs++
			}
			last = bit
		}
	}
	if math.Erfc(math.Abs(2*float64(ones)-n)/math.Sqrt(n)/math.Sqrt2) < alpha {
		failed = append(failed, "monobit")
	}
	sum := 0.0
	for _, f := range hands {
		sum += f * f
	}
	if 16/(n/4)*sum-n/4 > poker15 {
		failed = append(failed, "poker")
	}
	pi := float64(ones) / n
	if math.Erfc(math.Abs(float64(runs)-2*n*pi*(1-pi))/(2*math.Sqrt(2*n)*pi*(1-pi))) < alpha {
		failed = append(failed, "runs")
	}
	return failed
}

// A key is derived from what two key pairs agreed on, perhaps together with what was
// encapsulated, and from nothing else: no caller can make a secret of a password or a
// constant, and an empty one is refused.
func TestNothingElseIsDerivedFrom(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-002.4")
	secret, encapsulated := reflect.TypeFor[sm.Secret](), reflect.TypeFor[sm.KEMSecret]()
	hybrid := reflect.TypeOf(sm.DeriveHybrid)
	if reflect.TypeOf(sm.Derive).In(0) != secret || hybrid.In(0) != secret || hybrid.In(1) != encapsulated {
		t.Fatal("Derive or DeriveHybrid takes something else than secrets")
	}
	for _, kind := range []reflect.Type{secret, encapsulated} {
		for i := range kind.NumField() { // panics if it is no struct
			if kind.Field(i).IsExported() {
				t.Errorf("the field %s of %v is exported", kind.Field(i).Name, kind)
			}
		}
	}
	makers := map[string]int{}
	files, err := filepath.Glob("*.go")
	check.Must(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		check.Must(t, err)
		for _, declaration := range file.Decls {
			within, _ := declaration.(*ast.FuncDecl)
			ast.Inspect(declaration, func(n ast.Node) bool {
				if made, ok := n.(*ast.CompositeLit); ok && within != nil {
					if kind, ok := made.Type.(*ast.Ident); ok && (kind.Name == "Secret" || kind.Name == "KEMSecret") {
						makers[kind.Name+" by "+within.Name.Name] += len(made.Elts)
					}
				}
				return true
			})
		}
	}
	want := map[string]int{"Secret by Agree": 1, "KEMSecret by Encapsulate": 1, "KEMSecret by Decapsulate": 1}
	if !maps.Equal(makers, want) {
		t.Errorf("secrets are made by %v, want %v", makers, want)
	}
	agreed, err := sm.Agree(keytest.PrivateKey(t), keytest.PrivateKey(t).Public())
	check.Must(t, err)
	for name, derive := range map[string]func() any{
		"nothing":            func() any { return sm.Derive(sm.Secret{}, []byte("label"), 16) },
		"no encapsulation":   func() any { return sm.DeriveHybrid(agreed, sm.KEMSecret{}, []byte("label"), 16) },
		"only encapsulation": func() any { return sm.DeriveHybrid(sm.Secret{}, sm.KEMSecretOf([]byte("x")), []byte("label"), 16) },
	} {
		if key, err := recovered(derive); key != nil || !errors.Is(err, sm.ErrKey) {
			t.Errorf("from %s: %v, %v", name, key, err)
		}
	}
	if got := sm.Derive(agreed, []byte("label"), 16); len(got) != 16 {
		t.Errorf("from a secret: %x", got)
	}
}

// Keys derived from one key under different labels have nothing in common.
func TestDerivedKeysAreUnlike(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-002.5")
	ring := keytest.New(t)
	agreed, err := sm.Agree(keytest.PrivateKey(t), keytest.PrivateKey(t).Public())
	check.Must(t, err)
	for name, derive := range map[string]func(label string) []byte{
		"of a purpose": func(label string) []byte { return ring.Derive(keys.OTP, time.Time{}, []byte(label)) },
		"of a secret":  func(label string) []byte { return sm.Derive(agreed, []byte(label), 16) },
		"of a MAC key": func(label string) []byte { return sm.MAC(agreed.Bytes(), []byte(label)) },
	} {
		const pairs = 1000
		different, all := 0, 0
		for i := range pairs {
			one, two := derive(fmt.Sprint("label-", i)), derive(fmt.Sprint("label-", i+1))
			if bytes.Equal(one, two) || len(one) < 16 {
				t.Fatalf("%s: labels %d and %d give %x and %x", name, i, i+1, one, two)
			}
			for j := range one {
				different += bits.OnesCount8(one[j] ^ two[j])
				all += 8
			}
		}
		if share := float64(different) / float64(all); share < 0.49 || share > 0.51 {
			t.Errorf("%s: %.4f of the bits differ", name, share)
		}
	}
}
