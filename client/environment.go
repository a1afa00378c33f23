package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/sm"
)

// ReportEnvironment sends what the app finds about its environment (Config.Environment). An
// app calls it each time when the customer opens it. A login reports by itself. intent names
// the order for which the report is made, or is nil. The app shows the warnings of the reply.
func (c *Client) ReportEnvironment(ctx context.Context, intent *uuid.UUID) (DeviceReportReply, error) {
	return c.report(ctx, intent, "")
}

// ReportScreenshot tells the bank that the customer has taken a screenshot of a page.
func (c *Client) ReportScreenshot(ctx context.Context, page string) (DeviceReportReply, error) {
	return c.report(ctx, nil, page)
}

func (c *Client) report(ctx context.Context, intent *uuid.UUID, page string) (DeviceReportReply, error) {
	var reply DeviceReportReply
	err := c.call(ctx, "device-report", &request{make: func(o *opened) (any, error) {
		made, err := c.findings(o, intent, page)
		return DeviceReportRequest{Report: made}, err
	}}, &reply)
	return reply, err
}

// findings makes a report for a channel, signed by the device's key. page is of a screenshot.
func (c *Client) findings(o *opened, intent *uuid.UUID, page string) (EnvironmentReport, error) {
	r := environment.Report{
		Session: o.id[:], IntentID: intent, Nonce: make([]byte, 16), Findings: []environment.Finding{}, Page: page,
		AppSignature: c.config.AppSignature,
	}
	_, _ = rand.Read(r.Nonce) // never fails (crypto/rand)
	if len(r.AppSignature) == 0 {
		r.AppSignature = environment.GoClient()
	}
	if c.config.Environment != nil {
		r.Findings = append(r.Findings, c.config.Environment()...)
	}
	if page != "" && !slices.Contains(r.Findings, environment.ScreenCapture) {
		r.Findings = append(r.Findings, environment.ScreenCapture)
	}
	if c.config.Device != nil {
		var err error
		if r.Signature, err = sm.Sign(c.config.Device, r.Text()); err != nil {
			return EnvironmentReport{}, fmt.Errorf("client: %w", err)
		}
	}
	made := EnvironmentReport{
		Session: r.Session, IntentID: r.IntentID, Nonce: r.Nonce, Findings: []string{}, Page: r.Page,
		AppSignature: r.AppSignature, Signature: r.Signature,
	}
	for _, f := range r.Findings {
		made.Findings = append(made.Findings, string(f))
	}
	return made, nil
}
