// Package capacity is the model behind docs/capacity.md: from the measured cost of a call
// to instances, connections, databases and money.
package capacity

import (
	"math"
	"time"
)

// Customers is what the bank's customers do. The standard gives the monthly actives and
// the concurrency (PERF-002); the rest are assumptions for a payday.
type Customers struct {
	MonthlyActives int
	Concurrent     int           // sessions that are open at once
	Pause          time.Duration // between two calls of an open session
	PaydayShare    float64       // of the monthly actives who come on a payday
	CallsPerVisit  float64
	Transfers      float64 // confirms for each visit
	PeakHour       float64 // share of the day's visits from 09:00 to 10:00
	PeakMinute     float64 // the busiest minute against the hour's mean
}

// Cost is the CPU time of one call of a kind.
type Cost struct {
	Function, PostgreSQL, Redis time.Duration
}

// Plant is how the bank runs its parts.
type Plant struct {
	Utilisation   float64       // of CPU at the peak
	PodCPU        float64       // cores of an instance
	ConnsPerPod   int           // connections of an instance to PostgreSQL
	ConnsPerCore  int           // connections with which a core of PostgreSQL works well
	CommitsAtMost float64       // changes in a second that one PostgreSQL primary takes, by its disk
	CoreHour      float64       // yuan
	ColdStart     time.Duration // of a request that has to wait for an instance
	SessionBytes  float64       // of Redis, for each open session
	TransferBytes float64       // of PostgreSQL, for each transfer with its entries, records and events
}

// Load is the peak, in calls a second.
type Load struct {
	Logins, Queries, Transfers float64
	Visits                     float64 // of the payday
}

// Peak is the load of a payday's busiest minute. The calls of the open sessions are
// the lower bound: the standard wants them whatever the day looks like.
func (c Customers) Peak() Load {
	visits := float64(c.MonthlyActives) * c.PaydayShare
	logins := visits * c.PeakHour / 3600 * c.PeakMinute
	calls := max(logins*c.CallsPerVisit, float64(c.Concurrent)/c.Pause.Seconds())
	logins = calls / c.CallsPerVisit
	transfers := logins * c.Transfers
	return Load{Logins: logins, Queries: calls - logins - transfers, Transfers: transfers, Visits: visits}
}

// Costs are the costs of each kind of call.
type Costs struct{ Login, Query, Transfer Cost }

// Need is what a load takes.
type Need struct {
	FunctionCores, PostgreSQLCores, RedisCores float64
	Pods, Connections                          int
	LoginPods                                  int // instances that only log customers in
	ConnectionBudget                           int // that PostgreSQL's cores work well with
	Changes                                    float64
	Shards                                     int
	RedisGB, DayGB                             float64
	YuanPerHour                                float64
}

// Needs returns what the load takes.
func (p Plant) Needs(c Customers, costs Costs) Need {
	load := c.Peak()
	cores := func(of func(Cost) time.Duration) float64 {
		used := load.Logins*of(costs.Login).Seconds() + load.Queries*of(costs.Query).Seconds() + load.Transfers*of(costs.Transfer).Seconds()
		return used / p.Utilisation
	}
	n := Need{
		FunctionCores:   cores(func(c Cost) time.Duration { return c.Function }),
		PostgreSQLCores: cores(func(c Cost) time.Duration { return c.PostgreSQL }),
		RedisCores:      cores(func(c Cost) time.Duration { return c.Redis }),
		Changes:         load.Logins + load.Queries + 3*load.Transfers, // each read leaves an access record
		RedisGB:         float64(c.Concurrent) * p.SessionBytes / 1e9,
		DayGB:           load.Visits * c.Transfers * p.TransferBytes / 1e9,
	}
	n.Pods = int(math.Ceil(n.FunctionCores / p.PodCPU))
	n.LoginPods = int(math.Ceil(load.Logins * costs.Login.Function.Seconds() / p.Utilisation / p.PodCPU))
	n.Connections = n.Pods * p.ConnsPerPod
	n.ConnectionBudget = int(math.Ceil(n.PostgreSQLCores)) * p.ConnsPerCore
	n.Shards = int(math.Ceil(n.Changes / p.CommitsAtMost))
	n.YuanPerHour = (n.FunctionCores + 2*n.PostgreSQLCores + 2*n.RedisCores) * p.CoreHour // the stores have a standby each
	return n
}

// Burst is a jump of the load, as at 09:00 on a payday: how many calls wait for a cold
// start if only the instances of before are there.
func (p Plant) Burst(before, after Load, call time.Duration) (pods int, waiting float64) {
	more := (after.Queries + after.Logins + after.Transfers) - (before.Queries + before.Logins + before.Transfers)
	if more <= 0 {
		return 0, 0
	}
	return int(math.Ceil(more * call.Seconds() / p.Utilisation / p.PodCPU)), more * p.ColdStart.Seconds()
}
