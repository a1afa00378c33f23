// Package fraud holds the rules that score transfers after posting, and that grade the
// payer's risk by the scores.
//
// A score is a whole number from 0 to 100, the sum of the points of every reason
// found; reasons have names that stay. Scoring is pure: it reads the transfer and the
// payer's transfers up to its instant, so neither repeated nor late events change a
// score. Transfers between own accounts neither count nor grade.
// Amounts are fen, hours are Shanghai's. Source: FRAUD-003, FRAUD-018.
package fraud

import (
	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
)

// The thresholds: more than these is unusual; LargeAmount and VeryLargeAmount
// are already. Night is every hour before NightUntil.
const (
	ManyInAnHour              = 5
	BurstInAnHour             = 15
	ManyInADay                = 30
	MuchInAnHour    money.Fen = 30_000_00
	MuchInADay      money.Fen = 45_000_00
	LargeAmount     money.Fen = 20_000_00
	VeryLargeAmount money.Fen = 40_000_00
	NightUntil                = 5
)

// The scores from which on the payer's grade is raised or high, and the greatest.
const (
	RaisedFrom = 50
	HighFrom   = 85
	MaxScore   = 100
)

// The reasons.
const (
	ReasonHourCount   = "velocity.count"
	ReasonHourBurst   = "velocity.burst"
	ReasonHourAmount  = "velocity.amount"
	ReasonDayCount    = "velocity.day_count"
	ReasonDayAmount   = "velocity.day_amount"
	ReasonNewPayee    = "payee.new"
	ReasonLarge       = "amount.large"
	ReasonVeryLarge   = "amount.very_large"
	ReasonNight       = "time.night"
	ReasonOwnAccounts = "own" // the only reason then: own transfers are not scored
)

// Habits are the payer's transfers to others in the hour and the 24 hours that end
// with the transfer, which is included.
type Habits struct {
	HourCount, DayCount   int
	HourAmount, DayAmount money.Fen
}

// Verdict is the outcome for one transfer.
type Verdict struct {
	Score   int
	Grade   risk.Grade
	Reasons []string
}

// rule gives points for one reason.
type rule struct {
	reason string
	points int
	holds  func(events.TransferPosted, Habits) bool
}

// rules is the one table of unusual signs.
func rules() []rule {
	return []rule{
		{ReasonHourCount, 30, func(_ events.TransferPosted, h Habits) bool { return h.HourCount > ManyInAnHour }},
		{ReasonHourBurst, 30, func(_ events.TransferPosted, h Habits) bool { return h.HourCount > BurstInAnHour }},
		{ReasonHourAmount, 20, func(_ events.TransferPosted, h Habits) bool { return h.HourAmount > MuchInAnHour }},
		{ReasonDayCount, 15, func(_ events.TransferPosted, h Habits) bool { return h.DayCount > ManyInADay }},
		{ReasonDayAmount, 10, func(_ events.TransferPosted, h Habits) bool { return h.DayAmount > MuchInADay }},
		{ReasonNewPayee, 15, func(t events.TransferPosted, _ Habits) bool { return t.NewPayee }},
		{ReasonLarge, 15, func(t events.TransferPosted, _ Habits) bool { return t.AmountFen >= LargeAmount }},
		{ReasonVeryLarge, 10, func(t events.TransferPosted, _ Habits) bool { return t.AmountFen >= VeryLargeAmount }},
		{ReasonNight, 15, func(t events.TransferPosted, _ Habits) bool {
			return t.PostedAt.In(clock.Shanghai).Hour() < NightUntil
		}},
	}
}

// Score adds up the points of a transfer's unusual signs.
func Score(t events.TransferPosted, h Habits) Verdict {
	if t.Own {
		return Verdict{Reasons: []string{ReasonOwnAccounts}}
	}
	v := Verdict{Reasons: []string{}}
	for _, r := range rules() {
		if r.holds(t, h) {
			v.Score = min(MaxScore, v.Score+r.points)
			v.Reasons = append(v.Reasons, r.reason)
		}
	}
	v.Grade = gradeOf(v.Score)
	return v
}

func gradeOf(score int) risk.Grade {
	switch {
	case score >= HighFrom:
		return risk.GradeHigh
	case score >= RaisedFrom:
		return risk.GradeRaised
	}
	return risk.GradeNormal
}
