// Package fraud holds the rules that score a posted transfer and that grade its payer
// by the score.
//
// A score is a whole number from 0 to 100: the sum of the points of every reason
// found. Reasons have stable names. Score uses only the transfer and the payer's
// transfers up to its instant. So repeated and late events do not change a score.
// Transfers between own accounts have no score and change no grade. Amounts are fen,
// hours are Shanghai's. Source: FRAUD-003, FRAUD-018.
package fraud

import (
	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
)

// The thresholds. A value above a threshold is unusual; for LargeAmount and
// VeryLargeAmount, an equal value is unusual too. Night is every hour before
// NightUntil.
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

// The scores from which the payer's grade is raised or high, and the greatest score.
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
	ReasonOwnAccounts = "own" // the only reason: the transfer was not scored
)

// Habits sum up the payer's transfers to other customers in the hour and in the 24
// hours that end with the transfer. The transfer itself counts.
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

// Rule gives points for one reason.
type Rule struct {
	Reason string
	Points int
	Figure int64 // the threshold; 0 if the rule has none
	holds  func(events.TransferPosted, Habits) bool
}

// Rules lists every reason with its points.
func Rules() []Rule {
	return []Rule{
		{ReasonHourCount, 30, ManyInAnHour, func(_ events.TransferPosted, h Habits) bool { return h.HourCount > ManyInAnHour }},
		{ReasonHourBurst, 30, BurstInAnHour, func(_ events.TransferPosted, h Habits) bool { return h.HourCount > BurstInAnHour }},
		{ReasonHourAmount, 20, int64(MuchInAnHour), func(_ events.TransferPosted, h Habits) bool { return h.HourAmount > MuchInAnHour }},
		{ReasonDayCount, 15, ManyInADay, func(_ events.TransferPosted, h Habits) bool { return h.DayCount > ManyInADay }},
		{ReasonDayAmount, 10, int64(MuchInADay), func(_ events.TransferPosted, h Habits) bool { return h.DayAmount > MuchInADay }},
		{ReasonNewPayee, 15, 0, func(t events.TransferPosted, _ Habits) bool { return t.NewPayee }},
		{ReasonLarge, 15, int64(LargeAmount), func(t events.TransferPosted, _ Habits) bool { return t.AmountFen >= LargeAmount }},
		{ReasonVeryLarge, 10, int64(VeryLargeAmount), func(t events.TransferPosted, _ Habits) bool {
			return t.AmountFen >= VeryLargeAmount
		}},
		{ReasonNight, 15, NightUntil, func(t events.TransferPosted, _ Habits) bool {
			return t.PostedAt.In(clock.Shanghai).Hour() < NightUntil
		}},
	}
}

// Score adds up the points of a transfer's reasons.
func Score(t events.TransferPosted, h Habits) Verdict {
	if t.Own {
		return Verdict{Reasons: []string{ReasonOwnAccounts}}
	}
	v := Verdict{Reasons: []string{}}
	for _, r := range Rules() {
		if r.holds(t, h) {
			v.Score = min(MaxScore, v.Score+r.Points)
			v.Reasons = append(v.Reasons, r.Reason)
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
