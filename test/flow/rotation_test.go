package flow_test

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/audit"
	"github.com/tidebank/tidebank/infra/sealed"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// rotating is a bank of two instances that read one key file. 王小明 calls the first, 李四
// the second.
type rotating struct {
	fixture
	file  string
	other *bank.Bank
	calls atomic.Int64
}

func newRotating(t *testing.T) *rotating {
	t.Helper()
	r := &rotating{file: filepath.Join(t.TempDir(), "keys.json")}
	check.Must(t, keys.Create(r.file))
	open := func(c clock.Clock) *keys.Ring {
		ring, err := keys.Open(t.Context(), keys.Config{File: r.file, Clock: c}, keys.All()...)
		check.Must(t, err)
		return ring
	}
	db, url := pgtest.NewURL(t)
	b := bank.OnKeys(t, db, open)
	r.fixture = fixtureOn(t, b, url)
	r.other = r.secondWith(t, open(b.Clock))
	r.li.phone = moved(t, r.li.phone, r.other)
	return r
}

// serve calls both instances all the time, until stop is called. A refused call fails the
// test.
func (r *rotating) serve(t *testing.T) (stop func()) {
	t.Helper()
	reads := []string{"identity-me", "account-overview", "transfer-list", "message-list"}
	loop := func(who person, more func()) func() {
		return bank.Background(t, func(ctx context.Context) {
			for ctx.Err() == nil {
				for _, name := range reads {
					call(t, who.phone, name, fields{}).Want(t, "")
				}
				call(t, who.phone, "account-statement", fields{"account_id": who.AccountIDs[0]}).Want(t, "")
				more()
				r.calls.Add(int64(len(reads)) + 1)
			}
		})
	}
	pay := func(from, to person) func() {
		return func() {
			in := r.prepare(t, from, to, 100)
			call(t, from.phone, "transfer-confirm", proved(t, from, in)).Want(t, "")
		}
	}
	one, two := loop(r.wang, pay(r.wang, r.li)), loop(r.li, pay(r.li, r.wang))
	return func() { one(); two() }
}

// underWay is what customers began under the keys of before.
type underWay struct {
	confirm  fields            // an intent with a code, a signature and a sealed password
	otp      fields            // a request for a code with a solved picture
	stranger *bank.Device      // a channel
	event    cloudevent.Event  // a published event
	written  []keytest.Written // by every purpose
}

func (r *rotating) begin(t *testing.T) underWay {
	t.Helper()
	in := r.prepare(t, r.wang, r.li, 1_00)
	digits := r.codeFor(t, r.wang, in)
	b := underWay{
		confirm:  confirmation(in, code(digits), signed(t, r.wang.phone, in.Text), password(t, r.wang.phone, bank.TradePassword)),
		stranger: r.Device(t, "phone-of-a-stranger"),
	}
	b.otp = otptest.Request(t, r.Bank, b.stranger, "login", r.wang.Phone)
	list := r.Outbox(t, events.TypeTransferPosted)
	var err error
	b.event, err = list[len(list)-1].CloudEvent(r.Host.Keys)
	check.Must(t, err)
	for _, p := range keys.All() {
		b.written = append(b.written, keytest.Write(t, r.Host.Keys, p))
	}
	return b
}

// finish goes on with what was underWay, at both instances.
func (r *rotating) finish(t *testing.T, b underWay) {
	t.Helper()
	call(t, r.wang.phone, "transfer-confirm", b.confirm).Want(t, "")
	r.Exec(t, "DELETE FROM otp_quota")
	at := moved(t, b.stranger, r.other)
	at.Sequence.Store(b.stranger.Sequence.Load())
	call(t, at, "otp-send", b.otp).Want(t, "")
	if got := r.other.Deliver(t, functest.Named(t, audit.Consumer), b.event); got != http.StatusAccepted {
		t.Errorf("an event of before: %d", got)
	}
	for i, p := range keys.All() {
		if err := b.written[i].Read(r.other.Host.Keys); err != nil {
			t.Errorf("%s of before: %v", p, err)
		}
	}
}

// rotate gives a purpose a new key. For a moment only the first instance knows it. After
// its time has come, it writes.
func (r *rotating) rotate(t *testing.T, p keys.Purpose) {
	t.Helper()
	steps := []func(string) error{func(string) error {
		keytest.AddKey(t, r.file, p, r.Clock.Now().Add(time.Second))
		return nil
	}}
	if p == keys.Channel {
		steps = []func(string) error{keys.AddChannelKey, keys.PromoteChannelKey}
	}
	before := keytest.Write(t, r.Host.Keys, p)
	for _, step := range steps {
		check.Must(t, step(r.file))
		for _, ring := range []*keys.Ring{r.Host.Keys, r.other.Host.Keys} {
			if changed, err := ring.Reload(t.Context()); !changed || err != nil {
				t.Fatalf("%s: reload: %v, %v", p, changed, err)
			}
		}
	}
	r.Advance(2 * time.Second)
	if after := keytest.Write(t, r.other.Host.Keys, p); after.KeyID == before.KeyID && p != keys.Channel {
		t.Errorf("%s: the key %q still writes", p, after.KeyID)
	}
}

// Every class of key rotates while two instances serve, but the blind index's. No call
// fails, what was underWay before is finished after, and at the end nothing needs the old keys
// of stored texts: the bank destroys them, and goes on.
func TestEveryKeyRotatesWhileTheBankServes(t *testing.T) {
	t.Parallel()
	req.Covers(t, "KEY-007.1")
	r := newRotating(t)
	in := r.prepare(t, r.wang, r.li, 1_00)
	call(t, r.wang.phone, "transfer-confirm", proved(t, r.wang, in)).Want(t, "")
	named := fields{"account_id": r.wang.AccountIDs[0], "alias": "工资卡"}
	call(t, r.wang.phone, "account-alias-set", named).Want(t, "")

	stop := r.serve(t)
	for _, p := range keys.All() {
		if p == keys.BlindIndex {
			continue
		}
		b, before := r.begin(t), r.calls.Load()
		r.rotate(t, p)
		r.finish(t, b)
		check.Until(t, "the calls go on", func() bool { return r.calls.Load() > before+20 || t.Failed() })
	}
	r.reencrypt(t)
	stop()
	bank.CheckLedger(t, r.Host.DB, r.Host.Keys)
	if _, err := audit.Verify(t.Context(), r.Host.DB, r.Host.Keys); err != nil {
		t.Error(err)
	}
}

// reencrypt moves all stored texts while customers call, and destroys the old keys.
func (r *rotating) reencrypt(t *testing.T) {
	t.Helper()
	job := reseal.Job{DB: r.Host.DB, Ring: r.Host.Keys, Columns: sealed.Columns(), Batch: 7}
	check.Must(t, job.Run(t.Context()))
	uses, err := sealed.Uses(t.Context(), r.Host.DB, r.Host.Keys, nil)
	check.Must(t, err)
	for _, u := range uses {
		if sealed.Moves(u.Key) && u.Key[len(u.Key)-1] == '1' || u.Damaged > 0 {
			t.Errorf("left behind: %+v", u)
		}
	}
	if !slices.ContainsFunc(uses, func(u reseal.Use) bool { return u.Key == "storage/2" && u.Rows > 20 }) {
		t.Errorf("few texts were moved: %+v", uses)
	}
	for _, p := range sealed.Moved() {
		check.Must(t, keys.Retire(r.file, p, 1))
		for _, ring := range []*keys.Ring{r.Host.Keys, r.other.Host.Keys} {
			_, err := ring.Reload(t.Context())
			check.Must(t, err)
		}
	}
	before := r.calls.Load()
	check.Until(t, "the calls go on", func() bool { return r.calls.Load() > before+40 || t.Failed() })
}
