package customer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

var born = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// records is a database with two customers: the first has signed up and has two
// accounts, one of them closed.
type records struct {
	db           *pg.DB
	ring         *keys.Ring
	wang, li     customer.Record
	open, closed uuid.UUID
	openNo, gone string
	cardPassword string
}

func newRecords(t *testing.T) records {
	t.Helper()
	wang, li := seed.Made("王小明", 1), seed.Made("李小红", 2)
	r := records{
		db: pgtest.New(t), ring: keytest.New(t), open: uuid.New(), closed: uuid.New(), openNo: "6228480000000010001",
		gone: "6228480000000010002", cardPassword: "stored form",
		wang: customer.Record{ID: uuid.New(), Name: wang.Name, Phone: seed.Demo()[0].Phone, IDNo: wang.IDNo, CreatedAt: born},
		li:   customer.Record{ID: uuid.New(), Name: li.Name, Phone: seed.Demo()[1].Phone, IDNo: li.IDNo, CreatedAt: born},
	}
	var unit pg.Unit
	check.Must(t, customer.Insert(t.Context(), &unit, r.ring, r.wang))
	check.Must(t, customer.Insert(t.Context(), &unit, r.ring, r.li))
	for _, a := range []struct {
		id           uuid.UUID
		no, password string
	}{{r.open, r.openNo, r.cardPassword}, {r.closed, r.gone, ""}} {
		ledger.OpenAccount(&unit, ledger.Account{
			ID: a.id, CustomerID: &r.wang.ID, Kind: ledger.KindDebit, NumberSealed: []byte{0}, CardPassword: a.password,
			NumberIndex: ledger.NumberIndex(r.ring, a.no), NumberMasked: "6228 **** 0001", OpenedAt: born,
		})
	}
	check.Must(t, r.db.Commit(t.Context(), &unit))
	check.Exec(t, r.db.Pool(), "UPDATE account SET state = 'closed' WHERE id = $1", r.closed)
	r.fund(t, 500)
	check.Exec(t, r.db.Pool(), "UPDATE account SET held = 20 WHERE id = $1", r.open)
	check.Exec(t, r.db.Pool(), "INSERT INTO credential (customer_id, login_password, trade_password) VALUES ($1, 'a', 'b')", r.wang.ID)
	return r
}

// fund posts an opening balance to the open account.
func (r records) fund(t *testing.T, amount money.Fen) {
	t.Helper()
	source := uuid.New()
	var unit pg.Unit
	ledger.OpenAccount(&unit, ledger.Account{
		ID: source, Kind: ledger.KindInternal, NumberSealed: []byte{0}, NumberIndex: source[:], NumberMasked: "internal", OpenedAt: born,
	})
	ledger.Post(&unit, ledger.Posting{
		ID: uuid.New(), Kind: "opening", Debit: source, Credit: r.open, Amount: amount, BusinessDay: clock.BusinessDay(born),
		PostedAt: born, Internal: true,
	}, func(parts ...[]byte) ([]byte, string) { return r.ring.MAC(keys.Ledger, parts...) })
	check.Must(t, r.db.Commit(t.Context(), &unit))
}

func (r records) get(t *testing.T, id uuid.UUID) (customer.Record, error) {
	t.Helper()
	var batch pgx.Batch
	var sealed customer.Sealed
	sealed.QueueSealed(&batch, id)
	check.Must(t, r.db.QueryBatch(t.Context(), &batch))
	return sealed.Open(r.ring)
}

func TestARecordComesBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	for _, want := range []customer.Record{r.wang, r.li} {
		got, err := r.get(t, want.ID)
		check.Must(t, err)
		if diff := cmp.Diff(want, got, cmp.Comparer(time.Time.Equal)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	if _, err := r.get(t, uuid.New()); !errors.Is(err, bankerr.ErrNotFound) {
		t.Errorf("a stranger: %v", err)
	}
	row := check.Value[string](t, r.db.Pool(), "SELECT c::text FROM customer c WHERE id = $1", r.wang.ID)
	for _, clear := range []string{r.wang.Name, r.wang.Phone, r.wang.IDNo} {
		if bytes.Contains([]byte(row), []byte(fmt.Sprintf("%x", clear))) || bytes.Contains([]byte(row), []byte(clear)) {
			t.Errorf("%q rests in clear", clear)
		}
	}
}

// A field that is moved to another row does not open there.
func TestAFieldIsOfItsRow(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	check.Exec(t, r.db.Pool(), `UPDATE customer SET data_key = o.data_key, name_ct = o.name_ct, phone_ct = o.phone_ct
  FROM customer o WHERE customer.id = $1 AND o.id = $2`, r.wang.ID, r.li.ID)
	if got, err := r.get(t, r.wang.ID); err == nil {
		t.Errorf("opened %+v", got)
	}
	if got, err := customer.Phone(t.Context(), r.db.Reader(), r.ring, r.wang.ID); err == nil {
		t.Errorf("opened %s", got)
	}
	if got, err := customer.ByAccountNumber(t.Context(), r.db.Reader(), r.ring, r.openNo); err == nil {
		t.Errorf("opened %+v", got)
	}
}

// Neither another id nor another number makes a second customer of one person.
func TestInsertIsOnceForEachPerson(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	again, phone, idNo := r.wang, r.wang, r.wang
	again.Name = "另一个"
	phone.ID, phone.IDNo = uuid.New(), "110101199003070038"
	idNo.ID, idNo.Phone = uuid.New(), "13800010003"
	for _, c := range []customer.Record{again, phone, idNo} {
		pgtest.Commit(t, r.db, func(u *pg.Unit) error { return customer.Insert(t.Context(), u, r.ring, c) })
	}
	n := check.Count(t, r.db.Pool(), "SELECT count(*) FROM customer")
	if got, err := r.get(t, r.wang.ID); n != 2 || err != nil || got.Name != r.wang.Name {
		t.Errorf("%d customers; %+v, %v", n, got, err)
	}
}

func TestPhones(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	phone, err := customer.Phone(t.Context(), r.db.Reader(), r.ring, r.li.ID)
	if err != nil || phone != r.li.Phone {
		t.Errorf("%s, %v", phone, err)
	}
	index, err := customer.PhoneIndexOf(t.Context(), r.db.Reader(), r.li.ID)
	if err != nil || !bytes.Equal(index, customer.PhoneIndex(r.ring, r.li.Phone)) {
		t.Errorf("%x, %v", index, err)
	}
	for _, c := range []struct {
		phone string
		want  customer.Holder
		err   error
	}{
		{r.wang.Phone, customer.Holder{ID: r.wang.ID, SignedUp: true}, nil},
		{r.li.Phone, customer.Holder{ID: r.li.ID}, nil},
		{"13900000000", customer.Holder{}, bankerr.ErrNotFound},
	} {
		got, err := customer.ByPhone(t.Context(), r.db.Reader(), customer.PhoneIndex(r.ring, c.phone))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.phone, got, err, c.want, c.err)
		}
	}
	_, one := customer.Phone(t.Context(), r.db.Reader(), r.ring, uuid.New())
	_, two := customer.PhoneIndexOf(t.Context(), r.db.Reader(), uuid.New())
	if !errors.Is(one, bankerr.ErrNotFound) || !errors.Is(two, bankerr.ErrNotFound) {
		t.Errorf("a stranger: %v, %v", one, two)
	}
}

func TestHoldings(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	want := customer.Holding{
		AccountID: r.open, CustomerID: r.wang.ID, State: ledger.StateOpen, Name: r.wang.Name, NumberMasked: "6228 **** 0001",
		PayeeCode: ledger.PayeeCode(ledger.NumberIndex(r.ring, r.openNo)), Available: 480,
	}
	own, err := customer.OwnAccount(t.Context(), r.db.Reader(), r.ring, r.open, r.wang.ID)
	if err != nil || own != want {
		t.Errorf("%+v, %v; want %+v", own, err, want)
	}
	found, err := customer.ByAccountNumber(t.Context(), r.db.Reader(), r.ring, r.openNo)
	if want.Available = 0; err != nil || found != want { // it is nobody else's to know
		t.Errorf("%+v, %v; want %+v", found, err, want)
	}
	if shut, err := customer.ByAccountNumber(t.Context(), r.db.Reader(), r.ring, r.gone); err != nil || shut.State != ledger.StateClosed {
		t.Errorf("%+v, %v; want it closed", shut, err)
	}
	_, others := customer.OwnAccount(t.Context(), r.db.Reader(), r.ring, r.open, r.li.ID)
	_, none := customer.ByAccountNumber(t.Context(), r.db.Reader(), r.ring, "6228")
	if !errors.Is(others, bankerr.ErrNotFound) || !errors.Is(none, bankerr.ErrNotFound) {
		t.Errorf("another's: %v; no such number: %v", others, none)
	}
}

func TestApplicants(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	for _, tt := range []struct {
		name       string
		idNo, card string
		id         uuid.UUID
		holds      bool
		password   string
		named      string
	}{
		{"right", r.wang.IDNo, r.openNo, r.wang.ID, true, r.cardPassword, r.wang.Name},
		{"a closed account's card", r.wang.IDNo, r.gone, r.wang.ID, false, "", r.wang.Name},
		{"another's card", r.li.IDNo, r.openNo, r.li.ID, false, r.cardPassword, r.li.Name},
		{"no such card", r.li.IDNo, "6228", r.li.ID, false, "", r.li.Name},
		{"no such person", "110101199003070099", r.openNo, uuid.Nil, false, "", ""},
	} {
		var batch pgx.Batch
		var a customer.Applicant
		a.Queue(&batch, r.ring, tt.idNo, tt.card)
		check.Must(t, r.db.QueryBatch(t.Context(), &batch))
		if a.ID != tt.id || a.HoldsCard != tt.holds || a.CardPassword != tt.password {
			t.Errorf("%s: %+v", tt.name, a)
		}
		if tt.named != "" && (!a.Named(r.ring, tt.named) || a.Named(r.ring, tt.named+"明")) || a.Named(r.ring, "") {
			t.Errorf("%s: the name is not only %s", tt.name, tt.named)
		}
	}
}

func (r records) grade(t *testing.T, id uuid.UUID) (grade risk.Grade, err error) {
	t.Helper()
	var batch pgx.Batch
	grade = -1
	customer.QueueGrade(&batch, id, func(g risk.Grade) { grade = g })
	err = r.db.QueryBatch(t.Context(), &batch)
	return grade, err
}

// Each grade can follow each other grade, but a high grade stays. The grade of another
// customer does not change.
func TestRegrade(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	grades := []risk.Grade{risk.GradeNormal, risk.GradeRaised, risk.GradeHigh}
	for _, from := range grades {
		for _, to := range grades {
			check.Exec(t, r.db.Pool(), "UPDATE customer SET risk_grade = $2 WHERE id = $1", r.wang.ID, from)
			pgtest.Commit(t, r.db, func(u *pg.Unit) error { return customer.Regrade(t.Context(), u, r.wang.ID, to) })
			want := to
			if from == risk.GradeHigh {
				want = from
			}
			got, err := r.grade(t, r.wang.ID)
			other, otherErr := r.grade(t, r.li.ID)
			if got != want || other != risk.GradeNormal || err != nil || otherErr != nil {
				t.Errorf("from %d to %d: %d (%v), another customer's is %d (%v)", from, to, got, err, other, otherErr)
			}
		}
	}
	if got, err := r.grade(t, uuid.New()); err == nil || got != -1 {
		t.Errorf("a stranger's grade is %d, %v", got, err)
	}
}

func TestLockMakesOthersWait(t *testing.T) {
	t.Parallel()
	r := newRecords(t)
	second := make(chan error, 1)
	first := false
	err := r.db.InTx(t.Context(), func(ctx context.Context, tx pg.Tx) error {
		if err := customer.Lock(ctx, tx, r.wang.ID); err != nil {
			return err
		}
		pgtest.Commit(t, r.db, func(u *pg.Unit) error { return customer.Lock(ctx, u, r.li.ID) }) // another customer's is free
		go func() {
			var unit pg.Unit
			_ = customer.Lock(context.Background(), &unit, r.wang.ID)
			second <- r.db.Commit(context.Background(), &unit)
		}()
		pgtest.AwaitLocks(t, r.db, 1)
		select {
		case err := <-second:
			t.Errorf("the second did not wait: %v", err)
		default:
		}
		first = true
		return nil
	})
	if err != nil || !first {
		t.Fatal(err)
	}
	check.Must(t, <-second)
}

func TestWithoutADatabase(t *testing.T) {
	t.Parallel()
	db, ring := pgtest.Broken(t), keytest.New(t)
	_, phone := customer.Phone(t.Context(), db.Reader(), ring, uuid.New())
	_, index := customer.PhoneIndexOf(t.Context(), db.Reader(), uuid.New())
	_, holder := customer.ByPhone(t.Context(), db.Reader(), nil)
	_, own := customer.OwnAccount(t.Context(), db.Reader(), ring, uuid.New(), uuid.New())
	for i, err := range []error{phone, index, holder, own} {
		if !errors.Is(err, bankerr.ErrUnavailable) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
