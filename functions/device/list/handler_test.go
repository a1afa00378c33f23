package list_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	devicelist "github.com/tidebank/tidebank/functions/device/list"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func list(t *testing.T, d *bank.Device) []devicelist.Device {
	t.Helper()
	var got devicelist.Response
	d.Call(t, devicelist.Function, "", struct{}{}).Into(t, &got)
	return got.Devices
}

func bind(t *testing.T, p bank.Pair, id string, at time.Time) {
	t.Helper()
	pgtest.Commit(t, p.Host.DB, func(u *pg.Unit) error {
		return device.Bind(t.Context(), u, device.Key{CustomerID: p.Payer.ID, DeviceID: id, Public: p.Phone.PublicKey(t), BoundAt: at})
	})
}

// A customer sees the own bound devices, newest first, and nobody else's.
func TestACustomerListsTheBoundDevices(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-004.3")
	p := bank.NewPair(t, 0)
	other := p.Device(t, "phone-of-li")
	other.LoginAs(t, p.Payee)
	p.Exec(t, "UPDATE device SET bound_at = $1", bank.Start.Add(-48*time.Hour))
	bind(t, p, "tablet-of-wang", bank.Start)
	bind(t, p, "862170034567890", bank.Start.Add(-72*time.Hour)) // an IMEI
	p.Exec(t, "UPDATE device SET locked = true WHERE device_id = '862170034567890'")
	want := []devicelist.Device{
		{DeviceID: "tablet-of-wang", BoundAt: bank.Start},
		{DeviceID: "phone-of-wang", BoundAt: bank.Start.Add(-48 * time.Hour), Current: true},
		{DeviceID: "862170034567890", BoundAt: bank.Start.Add(-72 * time.Hour), Locked: true},
	}
	same := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
	if diff := cmp.Diff(want, list(t, p.Phone), same); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	if got := list(t, other); len(got) != 1 || got[0].DeviceID != "phone-of-li" {
		t.Errorf("the other customer sees %+v", got)
	}
	p.Exec(t, "DELETE FROM device")
	reply := p.Phone.Call(t, devicelist.Function, "", struct{}{})
	if reply.Want(t, ""); string(reply.Body) != `{"devices":[]}` {
		t.Errorf("without devices: %s", reply.Body)
	}
}

func TestAtMostAHundredDevices(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	for n := range 101 {
		bind(t, p, fmt.Sprintf("device-%03d", n), bank.Start.Add(time.Duration(n)*time.Second))
	}
	if got := list(t, p.Phone); len(got) != 100 || got[0].DeviceID != "device-100" {
		t.Errorf("%d devices, first %s", len(got), got[0].DeviceID)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	p.Device(t, "stranger").Call(t, devicelist.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	p.Phone.Call(t, devicelist.Function, "", map[string]any{"customer_id": p.Payee.ID}).Want(t, "INPUT_INVALID")
	down := bank.On(t, pgtest.Broken(t))
	d := down.Device(t, "phone-of-wang")
	check.Must(t, down.Host.Sessions.Start(t.Context(), d.Channel, p.Payer.ID))
	d.Call(t, devicelist.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
}
