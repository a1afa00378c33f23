package fn

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/place"
	"github.com/tidebank/tidebank/shared/session"
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
	// Rules are told for a field whose refusal has named rules.
	Rules []string `json:"rules,omitempty" doc:"PASSWORD_WEAK: the rules that the field breaks (docs/errors.md); detail has their texts"`
	// Combinations are those that are enough now for the intent that the client wanted to confirm.
	Combinations []string `json:"combinations,omitempty" doc:"STEPUP_STRONGER at a confirmation: each of these combinations is enough"`
	// Missing compares the proofs of the request with the combinations.
	Missing []string `json:"missing,omitempty" doc:"STEPUP_STRONGER: with the factors of one of these, the proofs are enough"`
	// Most is told if no combination of the bank confirms the amount.
	Most *money.Fen `json:"most_fen,omitempty" doc:"STEPUP_STRONGER at a preparation: the largest amount of one operation"`
	// TriesLeft and LockedUntil are told only to a customer who is logged in.
	TriesLeft   *int       `json:"tries_left,omitempty" doc:"PROOF_REJECTED, FACE_REJECTED: tries left. 0: a new code, or locked_until"`
	LockedUntil *time.Time `json:"locked_until,omitempty" doc:"The time when the lock or freeze of a password or token ends"`
	// ResultID is the id of what the intent has made.
	ResultID string `json:"result_id,omitempty" doc:"INTENT_USED: the id of what the intent made, for example its transfer"`
	// Later tells of the login that has ended the caller's session.
	Later *LaterLogin `json:"later_login,omitempty" doc:"SESSION_DISPLACED: the login that ended the session, if it is known"`
	// DownloadURL is told to an app that is too old, if the bank knows it for the platform.
	DownloadURL string `json:"download_url,omitempty" doc:"APP_OUTDATED: where the new version is; trust it only in a sealed reply"`
	// RetryAfter is the header Retry-After inside the sealed reply, where nobody can change it.
	RetryAfter int    `json:"retry_after,omitempty" doc:"Seconds after which the request may succeed"`
	Trace      string `json:"trace" doc:"Give this to the service desk"`
}

// LaterLogin is the login that has ended a session (SESSION-005).
type LaterLogin struct {
	At       time.Time `json:"at"`
	DeviceID string    `json:"device_id"`
	Place    string    `json:"place" doc:"Of the login's address; unknown if the bank does not know it"`
}

// retryAfter is the refusal's wait in whole seconds; 0 if it has none. Rounded down, a
// client would come too early.
func retryAfter(e *bankerr.Error) int { return int(math.Ceil(e.RetryAfter().Seconds())) }

func problemJSON(e *bankerr.Error, trace string) []byte {
	text, _ := bankerr.Lookup(e.Code())
	p := Problem{
		Type: "about:blank", Status: e.Kind().Status(), Code: e.Code(), Title: text.Title, Detail: text.Advice, Trace: trace,
	}
	p.RetryAfter = retryAfter(e)
	told(e, p.tellField)
	told(e, p.tellMissing)
	told(e, p.tellCap)
	told(e, p.tellAttempts)
	told(e, p.tellUsed)
	told(e, p.tellLater)
	told(e, p.tellOutdated)
	told(e, p.tellUnsafe)
	body, err := json.Marshal(p)
	if err != nil {
		return []byte(`{"type":"about:blank","status":500,"code":"INTERNAL_ERROR"}`)
	}
	return body
}

// told lets a cause of the refusal be told, if the refusal has one of its kind.
func told[E error](e error, tell func(E)) {
	var cause E
	if errors.As(e, &cause) {
		tell(cause)
	}
}

func (p *Problem) tellField(f *bankerr.FieldError) {
	p.Field, p.Rules = f.Field, f.Rules
	if f.Advice != "" {
		p.Detail = f.Advice
	}
}

func (p *Problem) tellMissing(m *stepup.MissingError) {
	p.Combinations, p.Missing = texts(m.Combinations), texts(m.Missing)
}

func (p *Problem) tellCap(c *stepup.CapError) {
	p.Most, p.Detail = &c.Most, "单笔最高"+c.Most.Yuan()+"元，请降低金额"
}

func (p *Problem) tellUnsafe(u *environment.UnsafeError) { p.Detail = u.Advice }

func (p *Problem) tellUsed(u *stepup.UsedError) { p.ResultID = u.ResultID.String() }

func (p *Problem) tellOutdated(o *channel.OutdatedError) {
	if o.DownloadURL != "" {
		p.DownloadURL = o.DownloadURL
		p.Detail += "，下载地址：" + p.DownloadURL
	}
}

func (p *Problem) tellLater(d *session.DisplacedError) {
	if d.At.IsZero() {
		return
	}
	at := d.At.In(clock.Shanghai)
	p.Later = &LaterLogin{At: at, DeviceID: d.DeviceID, Place: cmp.Or(d.Place, place.Unknown)}
	from := ""
	if p.Later.Place != place.Unknown {
		from = "（" + d.Place + "）"
	}
	p.Detail = "该次登录时间为" + at.Format("1月2日15:04") + from + "。" + p.Detail
}

func texts(combinations []stepup.Combination) []string {
	list := make([]string, len(combinations))
	for i, c := range combinations {
		list[i] = c.String()
	}
	return list
}

func (p *Problem) tellAttempts(a *stepup.AttemptsError) {
	switch p.Code {
	case stepup.ErrProofRejected.Code(), face.ErrRejected.Code():
		p.TriesLeft = &a.TriesLeft
	}
	if !a.LockedUntil.IsZero() {
		until := a.LockedUntil.In(clock.Shanghai)
		p.LockedUntil = &until
	}
}
