package stepup_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// The combinations of factors that the matrix may ask for, in words.
const (
	anyTwo   = "sms_otp+device_key | sms_otp+trade_password | device_key+trade_password"
	allThree = "sms_otp+device_key+trade_password"
	anyOne   = "device_key | trade_password"
	codeAnd  = "sms_otp+device_key | sms_otp+trade_password"
	stronger = "STEPUP_STRONGER"
)

// amounts are both ends of every cap, in fen: 10,000.00 and 50,000.00 yuan.
var amounts = [8]money.Fen{
	1, 999_999, 1_000_000, 1_000_001, 4_999_999, 5_000_000, 5_000_001, math.MaxInt64,
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	m := inForce(t)
	refused := [8]string{stronger, stronger, stronger, stronger, stronger, stronger, stronger, stronger}
	for _, tt := range []struct {
		name  string
		scene stepup.Scene
		grade risk.Grade
		want  [8]string
	}{
		{
			"to others, normal", stepup.ToOthers, risk.GradeNormal,
			[8]string{anyTwo, anyTwo, anyTwo, anyTwo, anyTwo, anyTwo, stronger, stronger},
		},
		{
			"to others, raised", stepup.ToOthers, risk.GradeRaised,
			[8]string{allThree, allThree, allThree, allThree, allThree, allThree, stronger, stronger},
		},
		{"to others, high", stepup.ToOthers, risk.GradeHigh, refused},
		{
			"to own, normal", stepup.ToOwn, risk.GradeNormal,
			[8]string{anyOne, anyOne, anyOne, anyTwo, anyTwo, anyTwo, stronger, stronger},
		},
		{
			"to own, raised", stepup.ToOwn, risk.GradeRaised,
			[8]string{codeAnd, codeAnd, codeAnd, codeAnd, codeAnd, codeAnd, stronger, stronger},
		},
		{"to own, high", stepup.ToOwn, risk.GradeHigh, refused},
		{"a grade beyond", stepup.ToOwn, risk.GradeHigh + 1, refused},
		{"a grade below", stepup.ToOwn, risk.GradeNormal - 1, refused},
		{"a scene beyond", stepup.ToOwn + 1, risk.GradeNormal, refused},
		{"a scene below", stepup.ToOthers - 1, risk.GradeNormal, refused},
	} {
		var got [8]string
		for i, amount := range amounts {
			got[i] = words(t, m, tt.scene, tt.grade, amount)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s, by amount (-want +got):\n%s", tt.name, diff)
		}
	}
}

// inForce is the matrix of a new bank.
func inForce(t *testing.T) stepup.Matrix {
	t.Helper()
	return matrixAt(t, pgtest.New(t), newClock())
}

func matrixAt(t *testing.T, db *pg.DB, at *clock.Manual) stepup.Matrix {
	t.Helper()
	m, err := stepup.NewTable(db.Reader(), at).Matrix(t.Context())
	check.Must(t, err)
	return m
}

// about is a transfer from a device with a bound key.
func about(scene stepup.Scene, grade risk.Grade, amount money.Fen) stepup.Case {
	return stepup.Case{Operation: operation, Scene: scene, Grade: grade, Amount: amount, Bound: true}
}

func words(t *testing.T, m stepup.Matrix, scene stepup.Scene, grade risk.Grade, amount money.Fen) string {
	t.Helper()
	list, err := m.Decide(about(scene, grade, amount))
	if err != nil {
		if !errors.Is(err, stepup.ErrStronger) || list != nil {
			t.Errorf("scene %d, grade %d, %d fen: %v, %v", scene, grade, amount, list, err)
		}
		return stronger
	}
	texts := make([]string, len(list))
	for i, c := range list {
		texts[i] = c.String()
	}
	return strings.Join(texts, " | ")
}

// factors are those that the bank can verify; subsets are all that can be brought
// of them.
var (
	factors = []stepup.Factor{stepup.SMSOTP, stepup.DeviceKey, stepup.TradePassword}
	subsets = [][]stepup.Factor{
		{}, factors[:1], factors[1:2], factors[2:], factors[:2], factors[1:], {stepup.SMSOTP, stepup.TradePassword}, factors,
	}
)

// enough says whether what was proven makes one of the combinations, as the
// standard reads them.
func enough(combinations []stepup.Combination, proven []stepup.Factor) bool {
	for _, c := range combinations {
		held := len(c) > 0
		for _, f := range c {
			held = held && slices.Contains(proven, f)
		}
		if held {
			return true
		}
	}
	return false
}

// To others a single factor never does, whichever it is, and a factor that the
// bank can't verify, a fingerprint say, stands nowhere.
func TestNoSingleFactorPaysOthers(t *testing.T) {
	t.Parallel()
	m := inForce(t)
	for _, amount := range amounts {
		for grade := risk.GradeNormal; grade <= risk.GradeHigh; grade++ {
			list, err := m.Decide(about(stepup.ToOthers, grade, amount))
			if err != nil {
				continue
			}
			for _, f := range append([]stepup.Factor{"fingerprint", stepup.Face, stepup.UnlockKey, ""}, factors...) {
				for _, proven := range [][]stepup.Factor{{f}, {f, f}, {f, "fingerprint"}} {
					if enough(list, proven) {
						t.Errorf("grade %d, %d fen: %v is enough", grade, amount, proven)
					}
				}
			}
		}
	}
	for scene := stepup.ToOthers; scene <= stepup.ToOwn; scene++ {
		for grade := risk.GradeNormal; grade <= risk.GradeHigh; grade++ {
			for _, amount := range amounts {
				list, _ := m.Decide(about(scene, grade, amount))
				for _, f := range slices.Concat(list...) {
					if !slices.Contains(factors, f) {
						t.Errorf("scene %d, grade %d, %d fen asks for %q", scene, grade, amount, f)
					}
				}
			}
		}
	}
}

// A customer with a reference photo may prove by the face beside another factor, wherever two
// factors are asked for, and never by the face alone. So may one who has set a key that finger or
// face unlocks, by this key.
func TestAFaceStandsBesideAnotherFactor(t *testing.T) {
	t.Parallel()
	for name, set := range map[stepup.Factor]func(*stepup.Case){
		stepup.Face: func(c *stepup.Case) { c.Face = true }, stepup.UnlockKey: func(c *stepup.Case) { c.Unlock = true },
	} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			standsBeside(t, name, set)
		})
	}
}

// standsBeside checks what is offered besides to a customer who has the biometric.
func standsBeside(t *testing.T, name stepup.Factor, set func(*stepup.Case)) {
	t.Helper()
	m, beside := inForce(t), "+"+string(name)
	for _, tt := range []struct {
		scene  stepup.Scene
		grade  risk.Grade
		amount money.Fen
		want   []string
	}{
		{stepup.ToOthers, risk.GradeNormal, 1, []string{"sms_otp" + beside, "device_key" + beside, "trade_password" + beside}},
		{stepup.ToOthers, risk.GradeNormal, stepup.CapSMS, []string{"sms_otp" + beside, "device_key" + beside, "trade_password" + beside}},
		{stepup.ToOthers, risk.GradeNormal, stepup.CapSMS + 1, nil},
		{stepup.ToOthers, risk.GradeRaised, 1, []string{
			"sms_otp+device_key" + beside, "sms_otp+trade_password" + beside, "device_key+trade_password" + beside,
		}},
		{stepup.ToOthers, risk.GradeHigh, 1, nil},
		{stepup.ToOwn, risk.GradeNormal, stepup.LargeAmount, nil}, // one other factor is enough
		{stepup.ToOwn, risk.GradeNormal, stepup.LargeAmount + 1, []string{
			"sms_otp" + beside, "device_key" + beside, "trade_password" + beside,
		}},
		{stepup.ToOwn, risk.GradeRaised, 1, []string{"sms_otp" + beside}},
	} {
		c := about(tt.scene, tt.grade, tt.amount)
		without, _ := m.Decide(c)
		set(&c)
		list, _ := m.Decide(c)
		var got []string
		for _, one := range list[len(without):] {
			got = append(got, one.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("scene %d, grade %d, %d fen (-want +got):\n%s", tt.scene, tt.grade, tt.amount, diff)
		}
		if enough(list, []stepup.Factor{name}) {
			t.Errorf("scene %d, grade %d, %d fen: %s alone is enough", tt.scene, tt.grade, tt.amount, name)
		}
	}
}

// A customer with a certificate may prove by its key beside another factor that is no key of the
// phone. Above the SMS code's cap, only a certificate of the counter does.
func TestASoftUKeyStandsBesideAnotherFactor(t *testing.T) {
	t.Parallel()
	m := inForce(t)
	app, counter := cert.Held{App: true}, cert.Held{Counter: true}
	for _, tt := range []struct {
		scene  stepup.Scene
		grade  risk.Grade
		amount money.Fen
		held   cert.Held
		want   []string
	}{
		{stepup.ToOthers, risk.GradeNormal, stepup.CapSMS, app, []string{"sms_otp+soft_ukey", "trade_password+soft_ukey"}},
		{stepup.ToOthers, risk.GradeNormal, stepup.CapSMS + 1, app, nil},
		{
			stepup.ToOthers, risk.GradeNormal, stepup.CapSoftUKey, counter,
			[]string{"sms_otp+soft_ukey_counter", "trade_password+soft_ukey_counter"},
		},
		{stepup.ToOthers, risk.GradeNormal, stepup.CapSoftUKey + 1, counter, nil},
		{stepup.ToOthers, risk.GradeRaised, stepup.CapSoftUKey, counter, []string{"sms_otp+trade_password+soft_ukey_counter"}},
		{stepup.ToOthers, risk.GradeHigh, 1, counter, nil},
		{stepup.ToOwn, risk.GradeNormal, stepup.LargeAmount, app, nil}, // one other factor is enough
		{stepup.ToOwn, risk.GradeRaised, stepup.CapSoftUKey, counter, []string{"sms_otp+soft_ukey_counter"}},
	} {
		c := about(tt.scene, tt.grade, tt.amount)
		without, _ := m.Decide(c)
		c.UKeys = tt.held
		list, _ := m.Decide(c)
		var got []string
		for _, one := range list[len(without):] {
			got = append(got, one.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("scene %d, grade %d, %d fen (-want +got):\n%s", tt.scene, tt.grade, tt.amount, diff)
		}
	}
}

// A combination that is enough is also enough for less risk: a smaller amount, a lower
// grade, or own accounts.
func TestMoreAtStakeNeverAsksForLess(t *testing.T) {
	t.Parallel()
	m := inForce(t)
	anyAmount := rapid.Custom(func(t *rapid.T) money.Fen {
		near := rapid.SampledFrom(amounts[:]).Draw(t, "near")
		return max(1, min(near, math.MaxInt64-2)+money.Fen(rapid.IntRange(-2, 2).Draw(t, "off")))
	})
	free := rapid.Map(rapid.Int64Range(1, 10_000_000), func(n int64) money.Fen { return money.Fen(n) })
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.OneOf(anyAmount, free).Draw(t, "amount"), rapid.OneOf(anyAmount, free).Draw(t, "other amount")
		g, h := rapid.IntRange(0, 2).Draw(t, "grade"), rapid.IntRange(0, 2).Draw(t, "other grade")
		s, r := rapid.IntRange(0, 1).Draw(t, "scene"), rapid.IntRange(0, 1).Draw(t, "other scene")
		less, _ := m.Decide(about(stepup.Scene(max(s, r)), risk.Grade(min(g, h)), min(a, b)))
		more, _ := m.Decide(about(stepup.Scene(min(s, r)), risk.Grade(max(g, h)), max(a, b)))
		for _, proven := range subsets {
			if enough(more, proven) && !enough(less, proven) {
				t.Errorf("%v is enough for %v, and not for %v", proven, more, less)
			}
		}
	})
}

func TestCombinationsPrintAndParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]stepup.Combination{
		"sms_otp":                           {stepup.SMSOTP},
		"device_key+trade_password":         {stepup.DeviceKey, stepup.TradePassword},
		"trade_password+device_key":         {stepup.TradePassword, stepup.DeviceKey},
		"sms_otp+device_key+trade_password": {stepup.SMSOTP, stepup.DeviceKey, stepup.TradePassword},
		"fingerprint":                       {"fingerprint"},
		"":                                  {""},
	} {
		got := stepup.ParseCombination(text)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if got.String() != text {
			t.Errorf("%q came back as %q", text, got.String())
		}
	}
	name := rapid.StringMatching(`[a-z_]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		var c stepup.Combination
		for _, f := range rapid.SliceOfN(name, 1, 5).Draw(t, "factors") {
			c = append(c, stepup.Factor(f))
		}
		if diff := cmp.Diff(c, stepup.ParseCombination(c.String())); diff != "" {
			t.Errorf("%s (-printed +parsed):\n%s", c, diff)
		}
	})
}
