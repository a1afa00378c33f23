package aws

import (
	"errors"
	"net/http"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/audit"
	auditonevent "github.com/tidebank/tidebank/functions/audit/onevent"
	"github.com/tidebank/tidebank/infra/archive"
	inside "github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// The audit chain goes into a bucket where nobody can delete it. Each run adds what is new.
// A chain that does not continue the archive is not archived.
func TestTheAuditArchive(t *testing.T) {
	t.Parallel()
	c := provisioned(t, nil, nil)
	bucket := c.list.Buckets[0]
	store := archive.New(c.sdk, bucket.Name, bucket.ObjectLockDays, time.Now)
	b := inside.New(t)
	record := func(times int) {
		for range times {
			e := b.Event(t, uuid.NewString(), events.TypeAccessRecorded, "x", events.AccessRecorded{Function: "x"})
			if got := b.Deliver(t, auditonevent.Function, e); got != http.StatusAccepted {
				t.Fatalf("delivery answered %d", got)
			}
		}
	}
	run := func() []audit.Segment {
		list, err := audit.Archive(t.Context(), b.Host.DB, b.Host.Keys, store)
		check.Must(t, err)
		return list
	}
	record(3)
	first := run()
	again := run()
	record(2)
	second := run()
	want := [][]audit.Segment{
		{{Name: "audit/000000000001-000000000003.jsonl", First: 1, Last: 3}},
		nil,
		{{Name: "audit/000000000004-000000000005.jsonl", First: 4, Last: 5}},
	}
	if diff := cmp.Diff(want, [][]audit.Segment{first, again, second}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := store.Put(t.Context(), first[0].Name, []byte("other")); !errors.Is(err, archive.ErrTaken) {
		t.Errorf("an object was replaced: %v", err)
	}
	staysLocked(t, store, first[0].Name, bucket.ObjectLockDays)
	b.Exec(t, "ALTER TABLE audit_record DISABLE TRIGGER ALL; DELETE FROM audit_record WHERE seq = 5; DELETE FROM event_consumed")
	if _, err := audit.Archive(t.Context(), b.Host.DB, b.Host.Keys, store); !errors.Is(err, audit.ErrArchive) {
		t.Errorf("a chain that is shorter than its archive: %v", err)
	}
}

// staysLocked checks that the object can't be deleted, also by one who may skip governance.
func staysLocked(t *testing.T, store archive.Bucket, name string, days int) {
	t.Helper()
	head, err := store.S3.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &store.Name, Key: &name})
	check.Must(t, err)
	if until := sdk.ToTime(head.ObjectLockRetainUntilDate); head.ObjectLockMode != types.ObjectLockModeCompliance ||
		time.Until(until) < time.Duration(days-1)*24*time.Hour {
		t.Errorf("kept by %q until %v", head.ObjectLockMode, until)
	}
	_, err = store.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{
		Bucket: &store.Name, Key: &name, VersionId: head.VersionId, BypassGovernanceRetention: sdk.Bool(true),
	})
	if err == nil {
		t.Error("the object was deleted")
	}
	_, err = store.Get(t.Context(), name)
	check.Must(t, err)
}
