package bank

import (
	"crypto/rand"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
)

// UnsignedReport is a well-formed report that no session and no key has made.
func UnsignedReport() environment.Report {
	r := environment.Report{
		Session: make([]byte, 16), Nonce: make([]byte, 16), Findings: []environment.Finding{}, AppSignature: environment.GoClient(),
	}
	_, _ = rand.Read(r.Nonce) // never fails (crypto/rand)
	return r
}

// Report is the report of the device's app with these findings, for its session and signed by
// its key. A screenshot is of the page transfer.
func (d *Device) Report(t testing.TB, found ...environment.Finding) environment.Report {
	t.Helper()
	r := UnsignedReport()
	r.Session = d.Channel[:]
	r.Findings = append(r.Findings, found...)
	if slices.Contains(found, environment.ScreenCapture) {
		r.Page = "transfer"
	}
	return d.SignReport(t, r)
}

// SignReport is the report signed by the device's key.
func (d *Device) SignReport(t testing.TB, r environment.Report) environment.Report {
	t.Helper()
	r.Signature = d.Sign(t, string(r.Text()))
	return r
}

// ReportClean stores a clean report for the customer's session on the device.
func (d *Device) ReportClean(t testing.TB, customer uuid.UUID) {
	t.Helper()
	r, in := d.Report(t), environment.Session{
		CustomerID: customer, DeviceID: d.ID, Channel: d.Channel, Now: d.bank.Clock.Now(),
	}
	var unit pg.Unit
	check.Must(t, environment.StoreReport(t.Context(), &unit, in, &r, nil))
	check.Must(t, d.bank.Host.DB.Commit(t.Context(), &unit))
}
