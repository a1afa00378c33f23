package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/req"
)

// The command lists the versions that have made results in the time asked for, the latest first.
func TestFaceVersions(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 100_00)
	engine := facetest.Start(t, w.Bank)
	photo := engine.Photo(t, w.Payer)
	for range 2 {
		engine.Proof(t, w.Phone, w.PrepareChange(t, stepup.ChangeLoginPassword).IntentID, photo)
	}
	list := func(days int) (text string) {
		t.Helper()
		var out strings.Builder
		c := faceVersions()
		c.SetOut(&out)
		c.SetContext(t.Context())
		check.Must(t, printVersions(c, w.Host, days))
		return out.String()
	}
	got := list(1)
	for _, version := range []string{"facesim/1", "facesim-sdk/1", "liveness-2026-11", "2 checks"} {
		if !strings.Contains(got, version) {
			t.Errorf("%q does not name %s", got, version)
		}
	}
	w.Exec(t, `
UPDATE face_check SET engine = 'facesim/0', ended_at = ended_at - interval '1 hour'
 WHERE id = (SELECT min(id::text)::uuid FROM face_check)`)
	if got := list(1); strings.Count(got, "\n") != 2 || strings.Index(got, "facesim/1") > strings.Index(got, "facesim/0") {
		t.Errorf("two versions are listed as %q", got)
	}
	w.Advance(24 * time.Hour)
	if got := list(1); strings.Contains(got, "facesim") {
		t.Errorf("a day later: %q", got)
	}
	if got := list(2); strings.Count(got, "\n") != 2 {
		t.Errorf("in two days: %q", got)
	}
	req.Covers(t, "BIO-006.2")
}

// What an earlier release has stored beside the customers' ids moves into the biometric store, once,
// also in a second run. Without --finish the earlier release still finds it. A newer photo stays.
func TestSeparate(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 100_00)
	engine := facetest.Start(t, w.Bank)
	newer := engine.Photo(t, w.Payee)
	old := face.Reference{Handle: uuid.New(), Kind: face.OnlineCheck, TakenAt: w.Clock.Now().Add(-time.Hour)}
	const insert = "INSERT INTO face_reference (customer_id, handle, kind, taken_at) VALUES ($1, $2, $3, $4)"
	w.Exec(t, insert, w.Payer.ID, old.Handle, old.Kind, old.TakenAt)
	w.Exec(t, insert, w.Payee.ID, uuid.New(), old.Kind, old.TakenAt)
	engine.Consents(t, w.Payer)
	run := func(finish bool, references, digests int64) {
		t.Helper()
		s := face.Separation{DB: w.Host.DB, Ring: w.Host.Keys, Finish: finish}
		check.Must(t, s.Separate(t.Context()))
		if s.References != references || s.Digests != digests {
			t.Errorf("finish %v: moved %d references and %d digests", finish, s.References, s.Digests)
		}
	}
	passes := func(phone *bank.Device, photo face.Reference) {
		t.Helper()
		engine.Proof(t, phone, w.PrepareChange(t, stepup.ChangeLoginPassword).IntentID, photo)
	}
	for range 2 {
		run(false, 2, 0)
		passes(w.Phone, old)
		if n := w.Count(t, "SELECT count(*) FROM face_reference WHERE handle = $1", old.Handle); n != 1 {
			t.Error("the earlier release does not find the reference")
		}
	}
	w.Exec(t, "UPDATE face_check SET template_digest = decode(repeat('5a', 32), 'hex')")
	results := w.Count(t, "SELECT count(*) FROM bio_result")
	run(true, 2, 2)
	run(true, 0, 0)
	passes(w.Phone, old)
	n := w.Count(t, "SELECT count(*) FROM face_reference") + w.Count(t, "SELECT count(*) FROM face_check WHERE template_digest <> ''")
	if moved := w.Count(t, "SELECT count(*) FROM bio_result") - results; n != 0 || moved != 3 {
		t.Errorf("%d rows are left beside customers' ids, and %d digests were kept", n, moved)
	}
	if n := w.Count(t, "SELECT count(*) FROM bio_result WHERE made_at <> date_trunc('day', made_at, 'Asia/Shanghai')"); n != 0 {
		t.Errorf("%d results tell more than their day", n)
	}
	other := w.Device(t, "phone-of-li")
	other.LoginAs(t, w.Payee)
	var in struct {
		IntentID uuid.UUID `json:"intent_id"`
	}
	other.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.ChangeLoginPassword}).Into(t, &in)
	engine.Proof(t, other, in.IntentID, newer)
}
