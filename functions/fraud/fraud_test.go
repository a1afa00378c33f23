package fraud

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
)

func at(hour, minute int) time.Time {
	return time.Date(2026, 11, 23, hour, minute, 0, 0, clock.Shanghai)
}

func TestEachReasonFromItsBoundOn(t *testing.T) {
	t.Parallel()
	day := func(amount money.Fen) events.TransferPosted {
		return events.TransferPosted{PostedAt: at(12, 0), AmountFen: amount}
	}
	hour := func(h, minute int) events.TransferPosted {
		return events.TransferPosted{PostedAt: at(h, minute).UTC()}
	}
	worst := events.TransferPosted{PostedAt: at(1, 0), NewPayee: true, AmountFen: VeryLargeAmount}
	own := worst
	own.Own = true
	busy := Habits{BurstInAnHour + 1, ManyInADay + 1, MuchInAnHour + 1, MuchInADay + 1}
	for _, tt := range []struct {
		name     string
		transfer events.TransferPosted
		habits   Habits
		score    int
		grade    risk.Grade
		reasons  []string
	}{
		{"nothing", day(1), Habits{}, 0, 0, []string{}},
		{"many in an hour", day(1), Habits{HourCount: ManyInAnHour + 1}, 30, 0, []string{ReasonHourCount}},
		{"fewer", day(1), Habits{HourCount: ManyInAnHour}, 0, 0, []string{}},
		{"burst", day(1), Habits{HourCount: BurstInAnHour + 1}, 60, 1, []string{ReasonHourCount, ReasonHourBurst}},
		{"no burst", day(1), Habits{HourCount: BurstInAnHour}, 30, 0, []string{ReasonHourCount}},
		{"much in an hour", day(1), Habits{HourAmount: MuchInAnHour + 1}, 20, 0, []string{ReasonHourAmount}},
		{"less", day(1), Habits{HourAmount: MuchInAnHour}, 0, 0, []string{}},
		{"many in a day", day(1), Habits{DayCount: ManyInADay + 1}, 15, 0, []string{ReasonDayCount}},
		{"fewer in a day", day(1), Habits{DayCount: ManyInADay}, 0, 0, []string{}},
		{"much in a day", day(1), Habits{DayAmount: MuchInADay + 1}, 10, 0, []string{ReasonDayAmount}},
		{"less in a day", day(1), Habits{DayAmount: MuchInADay}, 0, 0, []string{}},
		{"new payee", events.TransferPosted{PostedAt: at(12, 0), NewPayee: true}, Habits{}, 15, 0, []string{ReasonNewPayee}},
		{"large", day(LargeAmount), Habits{}, 15, 0, []string{ReasonLarge}},
		{"not large", day(LargeAmount - 1), Habits{}, 0, 0, []string{}},
		{"very large", day(VeryLargeAmount), Habits{}, 25, 0, []string{ReasonLarge, ReasonVeryLarge}},
		{"only large", day(VeryLargeAmount - 1), Habits{}, 15, 0, []string{ReasonLarge}},
		{"midnight", hour(0, 0), Habits{}, 15, 0, []string{ReasonNight}},
		{"end of the night", hour(4, 59), Habits{}, 15, 0, []string{ReasonNight}},
		{"morning", hour(5, 0), Habits{}, 0, 0, []string{}},
		{"evening", hour(23, 59), Habits{}, 0, 0, []string{}},
		{"everything", worst, busy, MaxScore, risk.GradeHigh, []string{
			ReasonHourCount, ReasonHourBurst, ReasonHourAmount, ReasonDayCount, ReasonDayAmount, ReasonNewPayee, ReasonLarge,
			ReasonVeryLarge, ReasonNight,
		}},
		{"own accounts", own, busy, 0, 0, []string{ReasonOwnAccounts}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(Verdict{tt.score, tt.grade, tt.reasons}, Score(tt.transfer, tt.habits)); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGradesBeginAtTheirScores(t *testing.T) {
	t.Parallel()
	for score, want := range map[int]risk.Grade{
		0: risk.GradeNormal, RaisedFrom - 1: risk.GradeNormal, RaisedFrom: risk.GradeRaised,
		HighFrom - 1: risk.GradeRaised, HighFrom: risk.GradeHigh, MaxScore: risk.GradeHigh,
	} {
		if got := gradeOf(score); got != want {
			t.Errorf("score %d is grade %d, want %d", score, got, want)
		}
	}
}
