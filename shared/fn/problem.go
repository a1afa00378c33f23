package fn

import (
	"encoding/json"
	"errors"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Problem is a refusal as a client reads it (RFC 9457). Title and Detail are for
// customers; Code is for programs; Trace is for the service desk.
type Problem struct {
	Type   string `json:"type" doc:"Always about:blank; the code identifies the problem"`
	Status int    `json:"status"`
	Code   string `json:"code" doc:"Stable, see docs/errors.md"`
	Title  string `json:"title" doc:"What happened, in Chinese"`
	Detail string `json:"detail" doc:"What the customer can do, in Chinese"`
	Field  string `json:"field,omitempty" doc:"The wrong field of the request, if a single field is wrong"`
	// Combinations are the combinations of the intent that the client wanted to confirm.
	Combinations []string `json:"combinations,omitempty" doc:"STEPUP_STRONGER at a confirmation: each of these combinations is enough"`
	// ResultID is the id of what the intent has made.
	ResultID string `json:"result_id,omitempty" doc:"INTENT_USED: the id of what the intent made, for example its transfer"`
	// RetryAfter is the header Retry-After inside the sealed reply, where nobody can change it.
	RetryAfter int    `json:"retry_after,omitempty" doc:"Seconds after which the request may succeed"`
	Trace      string `json:"trace" doc:"Give this to the service desk"`
}

// retryAfter is the refusal's wait in whole seconds; 0 if it has none.
func retryAfter(e *bankerr.Error) int { return int(e.RetryAfter().Seconds() + 0.5) }

func problemJSON(e *bankerr.Error, trace string) []byte {
	text, _ := bankerr.Lookup(e.Code())
	p := Problem{
		Type: "about:blank", Status: e.Kind().Status(), Code: e.Code(), Title: text.Title, Detail: text.Advice, Trace: trace,
	}
	p.RetryAfter = retryAfter(e)
	var field *bankerr.FieldError
	if errors.As(e, &field) {
		p.Field = field.Field
	}
	var missing *stepup.MissingError
	if errors.As(e, &missing) {
		for _, c := range missing.Combinations {
			p.Combinations = append(p.Combinations, c.String())
		}
	}
	var used *stepup.UsedError
	if errors.As(e, &used) {
		p.ResultID = used.ResultID.String()
	}
	body, err := json.Marshal(p)
	if err != nil {
		return []byte(`{"type":"about:blank","status":500,"code":"INTERNAL_ERROR"}`)
	}
	return body
}
