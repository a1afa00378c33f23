package identity

import (
	"context"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/place"
)

// Entrant is who asks for a log-in, beside the factors, as the request says.
type Entrant struct {
	Phone, Alias             string
	CaptchaID, CaptchaAnswer string
	App                      *channel.App
	Report                   *environment.Report
}

// CheckForm checks the form only. It refuses only values that no customer can have.
func (e Entrant) CheckForm() error {
	if err := customer.CheckLoginName(e.Phone, e.Alias); err != nil {
		return err
	}
	if err := captcha.CheckForm(e.CaptchaID, e.CaptchaAnswer); err != nil {
		return err
	}
	if e.Report != nil {
		if err := e.Report.CheckForm("environment."); err != nil {
			return err
		}
	}
	if e.App != nil && !e.App.Valid() {
		return bankerr.InvalidField("app.version", "not major.minor.patch")
	}
	return nil
}

// LoginTables is what a log-in looks its caller up in: the places of addresses, and the bank's
// apps.
type LoginTables struct {
	Places *place.Table
	Apps   environment.Apps
}

// OpenLoginTables reads the tables when a process starts.
func OpenLoginTables(places place.Config, apps environment.Config) (LoginTables, error) {
	table, err := place.Open(places)
	if err != nil {
		return LoginTables{}, err
	}
	known, err := environment.ParseApps(apps)
	return LoginTables{Places: table, Apps: known}, err
}

// Entry is a log-in whose factors are right.
type Entry struct {
	environment.Session
	IP       string
	Verified bool                  // the device has proved its bound key
	Report   *environment.Report   // of the app; nil: none
	Found    []environment.Finding // about the report
}

// RecordEntry adds to the unit what every log-in leaves: the app's report, and the event that tells of
// it.
func (e Entry) RecordEntry(ctx context.Context, unit *pg.Unit) error {
	if err := environment.StoreReport(ctx, unit, e.Session, e.Report, e.Found); err != nil {
		return err
	}
	id := e.CustomerID.String()
	return events.Emit(ctx, unit, id, e.CustomerID, events.IdentityLoggedIn{
		CustomerID: id, DeviceID: e.DeviceID, DeviceVerified: e.Verified, IP: e.IP,
	})
}
