package stepup_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// addRule puts a rule into force.
func addRule(t *testing.T, db *pg.DB, c stepup.Case, upTo money.Fen, from time.Time, combinations ...string) {
	t.Helper()
	device := "unbound"
	if c.Bound {
		device = "bound"
	}
	check.Exec(t, db.Pool(), `INSERT INTO stepup_rule VALUES ($1, $2, $3, $4, $5, $6, $7, 'one person', 'another person')`,
		c.Operation, c.Scene.String(), device, c.Grade, upTo, append([]string{}, combinations...), from)
}

func addCap(t *testing.T, db *pg.DB, method stepup.Factor, transfer, day money.Fen, from time.Time) {
	t.Helper()
	check.Exec(t, db.Pool(), `INSERT INTO stepup_cap VALUES ($1, $2, $3, $4, 'one person', 'another person')`,
		method, transfer, day, from)
}

// everyCase calls a function for each cell of the matrix: both ends of every cap, scene,
// grade and device, with and without a token, a reference photo, a key that finger or face unlocks, and
// certificates.
func everyCase(each func(c stepup.Case)) {
	for scene := stepup.ToOthers; scene <= stepup.NoMoney; scene++ {
		for grade := risk.GradeNormal; grade <= risk.GradeHigh; grade++ {
			for i := range 128 {
				has := func(bit int) bool { return i>>bit&1 == 1 }
				for _, amount := range append([]money.Fen{0, stepup.CapToken, stepup.CapToken + 1}, amounts[:]...) {
					each(stepup.Case{
						Operation: operation, Scene: scene, Grade: grade, Amount: amount,
						Bound: has(0), Token: has(1), Face: has(2), Unlock: has(3),
						UKeys: cert.Held{App: has(4), Counter: has(5), Shield: has(6)},
					})
				}
			}
		}
	}
}

// weaker tells by which clause the combination is too weak for the case; "" if by none. It
// is written from the standard, and not from the code.
func weaker(c stepup.Case, one stepup.Combination) string {
	ceiling := map[stepup.Factor]money.Fen{
		stepup.SMSOTP: 50_000_00, stepup.DeviceKey: 50_000_00, stepup.TradePassword: 50_000_00,
		stepup.Token: 1_000_000_00, stepup.Face: 50_000_00, stepup.UnlockKey: 50_000_00,
		stepup.SoftUKey: 50_000_00, stepup.SoftUKeyCounter: 1_000_000_00, stepup.PhoneShield: 1_000_000_00,
	}
	inPhone := map[stepup.Factor]int{stepup.DeviceKey: 1, stepup.SoftUKey: 1, stepup.SoftUKeyCounter: 1, stepup.PhoneShield: 1}
	distinct, strongest, code, keys := map[stepup.Factor]bool{}, money.Fen(0), false, 0
	for _, f := range one {
		if _, known := ceiling[f]; !known {
			return "AUTH-001: an unknown method"
		}
		distinct[f], strongest = true, max(strongest, ceiling[f])
		code = code || f == stepup.SMSOTP || f == stepup.Token
		keys += inPhone[f]
	}
	switch {
	case c.Amount > strongest:
		return "LIMIT-001, LIMIT-002, LIMIT-003: above the cap"
	case (c.Scene == stepup.NoMoney) != (c.Amount == 0):
		return "no such operation"
	case c.Grade == risk.GradeHigh:
		return "RISK: nothing at a high grade"
	case !c.Bound && (distinct[stepup.DeviceKey] || distinct[stepup.UnlockKey]):
		return "a key that is not bound"
	case !c.Unlock && distinct[stepup.UnlockKey]:
		return "a key that is not set"
	case !c.Token && distinct[stepup.Token]:
		return "a token that is not bound"
	case !c.Face && distinct[stepup.Face]:
		return "BIO-001: no reference photo"
	case !c.UKeys.App && distinct[stepup.SoftUKey], !c.UKeys.Counter && distinct[stepup.SoftUKeyCounter],
		!c.UKeys.Shield && distinct[stepup.PhoneShield]:
		return "AUTH-002: no certificate"
	case keys > 1:
		return "AUTH-005: two keys of one phone"
	case len(distinct) > 0 && !slices.ContainsFunc(one, func(f stepup.Factor) bool { return f != stepup.Face && f != stepup.UnlockKey }):
		return "BIO-002: biometrics only"
	case len(distinct) != len(one):
		return "AUTH-005: one factor twice"
	case len(distinct) == 0, len(distinct) == 1 && (c.Scene != stepup.ToOwn || c.Amount > 10_000_00):
		return "AUTH-006: a single factor"
	case c.Grade == risk.GradeRaised && c.Scene == stepup.ToOthers && len(distinct) < 3,
		c.Grade == risk.GradeRaised && c.Scene != stepup.ToOthers && !code:
		return "AUTH-029: not stronger at a raised grade"
	}
	return ""
}

// No cell of the table is weaker than its clause.
func TestNoCellIsWeakerThanItsClause(t *testing.T) {
	t.Parallel()
	m, open := inForce(t), 0
	everyCase(func(c stepup.Case) {
		list, err := m.Decide(c)
		if (err == nil) != (len(list) > 0) {
			t.Errorf("%+v: %v, %v", c, list, err)
		}
		for _, one := range list {
			open++
			if why := weaker(c, one); why != "" {
				t.Errorf("%+v: %v is enough: %s", c, one, why)
			}
		}
	})
	if open < 50 {
		t.Errorf("only %d combinations were offered", open)
	}
}

// A row of the table that is weaker than the floor has no effect: the floor holds for
// every set of factors in every cell.
func TestNoRowWeakensTheFloor(t *testing.T) {
	t.Parallel()
	db, at := pgtest.New(t), newClock()
	var all []string
	for _, set := range append(subsets[1:], []stepup.Factor{stepup.Face}, []stepup.Factor{stepup.SMSOTP, stepup.SMSOTP},
		[]stepup.Factor{stepup.Face, stepup.Face}, []stepup.Factor{stepup.DeviceKey, stepup.Face},
		[]stepup.Factor{stepup.SMSOTP, stepup.TradePassword, stepup.Face}, []stepup.Factor{"fingerprint"},
		[]stepup.Factor{stepup.UnlockKey}, []stepup.Factor{stepup.UnlockKey, stepup.Face},
		[]stepup.Factor{stepup.DeviceKey, stepup.UnlockKey}, []stepup.Factor{stepup.SMSOTP, stepup.DeviceKey, stepup.UnlockKey},
		[]stepup.Factor{stepup.Token}, []stepup.Factor{stepup.SMSOTP, stepup.Token}, []stepup.Factor{stepup.Token, stepup.Token},
		[]stepup.Factor{stepup.TradePassword, stepup.DeviceKey, stepup.Token}, []stepup.Factor{stepup.SMSOTP, "fingerprint"},
		[]stepup.Factor{stepup.SoftUKey}, []stepup.Factor{stepup.SMSOTP, stepup.SoftUKey},
		[]stepup.Factor{stepup.Token, stepup.SoftUKeyCounter},
		[]stepup.Factor{stepup.DeviceKey, stepup.SoftUKeyCounter}, []stepup.Factor{stepup.SoftUKey, stepup.SoftUKeyCounter},
		[]stepup.Factor{stepup.SMSOTP, stepup.TradePassword, stepup.SoftUKeyCounter},
		[]stepup.Factor{stepup.SMSOTP, stepup.SoftUKey, stepup.SoftUKeyCounter},
		[]stepup.Factor{stepup.PhoneShield}, []stepup.Factor{stepup.SMSOTP, stepup.PhoneShield},
		[]stepup.Factor{stepup.DeviceKey, stepup.PhoneShield}, []stepup.Factor{stepup.SMSOTP, stepup.TradePassword, stepup.PhoneShield},
		[]stepup.Factor{stepup.SMSOTP, stepup.DeviceKey, stepup.DeviceKey}) {
		all = append(all, stepup.Combination(set).String())
	}
	for scene := stepup.ToOthers; scene <= stepup.NoMoney; scene++ {
		for grade := risk.GradeNormal; grade <= risk.GradeHigh; grade++ {
			for _, bound := range []bool{true, false} {
				addRule(t, db, stepup.Case{Operation: operation, Scene: scene, Grade: grade, Bound: bound}, money.Max-1, at.Now(), all...)
			}
		}
	}
	for _, f := range append([]stepup.Factor{
		stepup.Token, stepup.Face, stepup.UnlockKey, stepup.SoftUKey, stepup.SoftUKeyCounter,
		stepup.PhoneShield,
	}, factors...) {
		addCap(t, db, f, money.Max, money.Max, at.Now())
	}
	m, offered := matrixAt(t, db, at), 0
	everyCase(func(c stepup.Case) {
		list, _ := m.Decide(c)
		for _, text := range all {
			one := stepup.ParseCombination(text)
			found := slices.ContainsFunc(list, func(other stepup.Combination) bool { return slices.Equal(one, other) })
			why := weaker(c, one)
			if found && why != "" {
				t.Errorf("%+v: %v is enough: %s", c, one, why)
			}
			if found {
				offered++
			}
		}
	})
	if offered < 80 {
		t.Errorf("only %d combinations were offered", offered)
	}
	if got := m.Cap(stepup.Combination{stepup.SMSOTP, stepup.DeviceKey}); got != (stepup.Cap{PerTransfer: 50_000_00, PerDay: 50_000_00}) {
		t.Errorf("higher rows made the caps %+v", got)
	}
	if got := m.Cap(stepup.Combination{stepup.SMSOTP, stepup.Token}); got != (stepup.Cap{PerTransfer: 1_000_000_00, PerDay: 1_000_000_00}) {
		t.Errorf("higher rows made the token's caps %+v", got)
	}
}

// A rule and a cap count from their time on, and until a later row of the same cell.
func TestRowsCountFromTheirTime(t *testing.T) {
	t.Parallel()
	db, at := pgtest.New(t), newClock()
	c := about(stepup.ToOthers, risk.GradeNormal, 100_00)
	hour := at.Now().Add(time.Hour)
	addRule(t, db, c, money.Max, hour, "sms_otp+device_key+trade_password")
	addRule(t, db, c, money.Max, hour.Add(time.Hour))
	for _, f := range factors {
		addCap(t, db, f, 99_99, 1_000_00, hour.Add(2*time.Hour))
	}
	addRule(t, db, c, money.Max, hour.Add(2*time.Hour), anyTwoText()...)
	table := stepup.NewTable(db.Reader(), at)
	for _, tt := range []struct {
		at   time.Time
		want string
	}{
		{hour.Add(-time.Nanosecond), anyTwo},
		{hour, allThree},
		{hour.Add(time.Hour - time.Nanosecond), allThree},
		{hour.Add(time.Hour), stronger},
		{hour.Add(2*time.Hour - time.Second), stronger},
		{hour.Add(2 * time.Hour), stronger},
	} {
		at.Advance(tt.at.Sub(at.Now()))
		m, err := table.Matrix(t.Context())
		check.Must(t, err)
		if got := words(t, m, c.Scene, c.Grade, c.Amount); got != tt.want {
			t.Errorf("at %v: %s, want %s", tt.at, got, tt.want)
		}
	}
	m, err := table.Matrix(t.Context())
	check.Must(t, err)
	if got := words(t, m, c.Scene, c.Grade, 99_99); got != anyTwo {
		t.Errorf("within the lower cap: %s", got)
	}
	if got := m.Cap(stepup.Combination{stepup.SMSOTP}); got != (stepup.Cap{PerTransfer: 99_99, PerDay: 1_000_00}) {
		t.Errorf("the caps are %+v", got)
	}
}

func anyTwoText() []string {
	return []string{"sms_otp+device_key", "sms_otp+trade_password", "device_key+trade_password"}
}

// Two persons stand behind each row, and no row changes or goes.
func TestRowsNeedTwoPersons(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, table := range []string{
		`stepup_cap SELECT method, 1, 1, now(), %s FROM stepup_cap LIMIT 1`,
		`stepup_rule SELECT operation, scene, device, grade, up_to, combinations, now(), %s FROM stepup_rule LIMIT 1`,
	} {
		for _, persons := range []string{"'a', 'a'", "'', 'a'", "'a', ''", "NULL, 'a'", "'a', NULL"} {
			var refused *pgconn.PgError
			_, err := db.Pool().Exec(t.Context(), "INSERT INTO "+fmt.Sprintf(table, persons))
			if !errors.As(err, &refused) || refused.Code != "23514" && refused.Code != "23502" {
				t.Errorf("%s by %s: %v", table[:11], persons, err)
			}
		}
	}
	for _, sql := range []string{
		"UPDATE stepup_cap SET per_day = 1", "DELETE FROM stepup_cap", "TRUNCATE stepup_cap",
		"UPDATE stepup_rule SET grade = 0", "DELETE FROM stepup_rule", "TRUNCATE stepup_rule",
	} {
		if _, err := db.Pool().Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: the database lets it pass", sql)
		}
	}
}

// The table is read once in half a minute. Without the database, its last rows are good
// for five minutes.
func TestTheTableIsKeptForAWhile(t *testing.T) {
	t.Parallel()
	db, at := pgtest.New(t), newClock()
	c, table := about(stepup.ToOthers, risk.GradeNormal, 100_00), stepup.NewTable(db.Reader(), at)
	now := func() string {
		m, err := table.Matrix(t.Context())
		check.Must(t, err)
		return words(t, m, c.Scene, c.Grade, c.Amount)
	}
	if got := now(); got != anyTwo {
		t.Fatalf("at first: %s", got)
	}
	addRule(t, db, c, money.Max, at.Now(), allThree)
	at.Advance(30*time.Second - time.Nanosecond)
	if got := now(); got != anyTwo {
		t.Errorf("within half a minute: %s", got)
	}
	at.Advance(time.Nanosecond)
	if got := now(); got != allThree {
		t.Errorf("after half a minute: %s", got)
	}
	check.Exec(t, db.Pool(), "ALTER TABLE stepup_rule RENAME TO gone")
	at.Advance(5*time.Minute - time.Nanosecond)
	if got := now(); got != allThree {
		t.Errorf("for five minutes without the table: %s", got)
	}
	at.Advance(time.Nanosecond)
	if _, err := table.Matrix(t.Context()); err == nil {
		t.Error("after five minutes the rows are still good")
	}
	if _, err := stepup.NewTable(pgtest.Broken(t).Reader(), at).Matrix(t.Context()); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("without the database: %v", err)
	}
}
