// Package consentlist shows the caller the purposes of biometric data, with their notices and the
// caller's decisions.
//
//	POST /function/identity-consent-list   session
//
// Without a decision there is no consent. identity-consent-set changes it.
package consentlist

import (
	"context"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/consent"
	"github.com/tidebank/tidebank/shared/fn"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "identity-consent-list", Summary: "List the purposes of biometric data and the caller's consents", Audience: fn.Customer,
	Requirements: []string{"BIO-007"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Consent is a purpose with the caller's decision.
type Consent struct {
	Purpose   consent.Purpose `json:"purpose" enum:"transfer,security"`
	Given     bool            `json:"given"`
	ChangedAt *time.Time      `json:"changed_at" doc:"null if the caller has never decided"`
	Title     string          `json:"title"`
	Notice    string          `json:"notice" doc:"Show it in full before the customer agrees"`
	Digest    []byte          `json:"digest" doc:"SM3 of notice: the acknowledgement"`
}

// Response lists the purposes.
type Response struct {
	Consents []Consent `json:"consents"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(ctx context.Context, call *fn.Call, _ Request) (Response, error) {
		states, err := consent.ListConsents(ctx, lent.DB, call.CustomerID)
		if err != nil {
			return Response{}, err
		}
		reply := Response{Consents: []Consent{}}
		for _, n := range consent.All() {
			reply.Consents = append(reply.Consents, Consent{
				Purpose: n.Purpose, Given: states[n.Purpose].Given, ChangedAt: clock.Local(states[n.Purpose].ChangedAt),
				Title: n.Title, Notice: n.Text, Digest: n.Digest(),
			})
		}
		return reply, nil
	}, nil
}
