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

// rule gives points for one reason.
type rule struct {
	reason string
	points int
	holds  func(events.TransferPosted, Habits) bool
}

// rules lists every reason with its points.
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

// Score adds up the points of a transfer's reasons.
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
