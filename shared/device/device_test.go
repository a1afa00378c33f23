package device_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// Binding again replaces the key of that device and no other.
func TestBind(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	wang, li := pgtest.Customers(t, db)
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	for _, k := range []device.Key{
		{CustomerID: wang, DeviceID: "phone", Public: []byte("old"), BoundAt: now},
		{CustomerID: wang, DeviceID: "tablet", Public: []byte("tablet's"), BoundAt: now},
		{CustomerID: li, DeviceID: "phone", Public: []byte("another's"), BoundAt: now},
		{CustomerID: wang, DeviceID: "phone", Public: []byte("new"), BoundAt: now.Add(time.Hour)},
	} {
		pgtest.Commit(t, db, func(u *pg.Unit) error { return device.Bind(t.Context(), u, k) })
	}
	rows, err := db.Pool().Query(t.Context(), "SELECT customer_id, device_id, public_key, bound_at FROM device")
	check.Must(t, err)
	got := map[string]time.Time{}
	var k device.Key
	_, err = pgx.ForEachRow(rows, []any{&k.CustomerID, &k.DeviceID, &k.Public, &k.BoundAt}, func() error {
		got[map[uuid.UUID]string{wang: "wang ", li: "li "}[k.CustomerID]+k.DeviceID+" "+string(k.Public)] = k.BoundAt.UTC()
		return nil
	})
	want := map[string]time.Time{"wang phone new": now.Add(time.Hour), "wang tablet tablet's": now, "li phone another's": now}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
