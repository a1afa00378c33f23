// Package optionlist shows the risky options of the bank's functions to the caller, with their
// warnings.
//
//	POST /function/identity-option-list   session
//
// An option is off until the caller switches it on (identity-option-set).
package optionlist

import (
	"context"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/option"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "identity-option-list", Summary: "List risky options with their warnings", Audience: fn.Customer,
	Requirements: []string{"RISK-004"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Option is a risky option of the caller.
type Option struct {
	Option    option.Name `json:"option" enum:"large_transfer"`
	On        bool        `json:"on"`
	ChangedAt *time.Time  `json:"changed_at" doc:"null if the caller has never changed it"`
	Title     string      `json:"title"`
	Warning   string      `json:"warning" doc:"Show it in full before the customer switches the option on"`
	Digest    []byte      `json:"digest" doc:"SM3 of warning: the acknowledgement"`
}

// Response lists the options.
type Response struct {
	Options []Option `json:"options"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(ctx context.Context, call *fn.Call, _ Request) (Response, error) {
		states, err := option.ListOptions(ctx, lent.DB, call.CustomerID)
		if err != nil {
			return Response{}, err
		}
		reply := Response{Options: []Option{}}
		for _, o := range option.All() {
			reply.Options = append(reply.Options, Option{
				Option: o.Name, On: states[o.Name].On, ChangedAt: clock.Local(states[o.Name].ChangedAt),
				Title: o.Title, Warning: o.Warning, Digest: o.Digest(),
			})
		}
		return reply, nil
	}, nil
}
