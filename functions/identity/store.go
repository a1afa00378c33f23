package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	sqlLoginCountAttempt = `-- login.count_attempt
SELECT login_count_attempt($1, $2, $3, $4)`

	sqlLoginResetAttempts = `-- login.reset_attempts
UPDATE login_attempt SET failures = 0, day_failures = 0, locked_until = NULL, frozen = false WHERE phone_bidx = $1`

	sqlCredential = `-- credential.by_phone
SELECT c.id, k.login_password, k.last_login_at, k.last_login_device
  FROM customer c JOIN credential k ON k.customer_id = c.id WHERE c.phone_bidx = $1`

	sqlLoggedIn = `-- credential.logged_in
UPDATE credential SET last_login_at = $2, last_login_device = $3 WHERE customer_id = $1`

	sqlDevice = `-- device.bind
INSERT INTO device (customer_id, device_id, public_key, bound_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_id, device_id) DO UPDATE SET public_key = $3, bound_at = $4`

	sqlApplicant = `-- applicant
SELECT c.id, c.data_key, c.name_ct, c.phone_bidx, a.customer_id, a.card_password
  FROM customer c LEFT JOIN account a ON a.no_bidx = $2 AND a.state = 'open' WHERE c.idno_bidx = $1`

	sqlRegister = `-- credential.insert
INSERT INTO credential (customer_id, login_password, trade_password, created_at) VALUES ($1, $2, $3, $4)`

	sqlCustomer = `-- customer.get
SELECT c.id, c.data_key, c.name_ct, c.phone_ct, c.idno_ct, k.last_login_at, k.last_login_device
  FROM customer c JOIN credential k ON k.customer_id = c.id WHERE c.id = $1`
)

// Store is the domain's database.
type Store struct {
	db   pg.Reader
	ring *keys.Ring
}

// NewStore returns a Store.
func NewStore(db pg.Reader, ring *keys.Ring) *Store { return &Store{db, ring} }

// Attempt is one try to log in.
type Attempt struct {
	Phone     []byte // blind index
	CaptchaOK bool
	OTP       otp.Attempt
	Now       time.Time
}

// Found is what the attempt met. Its zero value is an unknown number.
type Found struct {
	Verdict         string // open, last (the failure of which locks), captcha, locked
	CustomerID      uuid.UUID
	Password        string // stored form
	LastLoginAt     *time.Time
	LastLoginDevice *string
}

// Count commits a batch that counts attempts, and reads its answers.
type Count func(ctx context.Context, batch *pgx.Batch) error

// CountAttempt counts the attempt, and the code's, and finds the credential, in one
// round trip that is the same for known and unknown numbers.
func (s *Store) CountAttempt(ctx context.Context, count Count, a *Attempt) (Found, error) {
	f := Found{Password: absent}
	var batch pgx.Batch
	batch.Queue(sqlLoginCountAttempt, a.Phone, a.Now, clock.BusinessDay(a.Now), a.CaptchaOK).QueryRow(
		func(row pgx.Row) error { return row.Scan(&f.Verdict) })
	batch.Queue(sqlCredential, a.Phone).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&f.CustomerID, &f.Password, &f.LastLoginAt, &f.LastLoginDevice)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err //nolint:wrapcheck // wrapped below
	})
	a.OTP.CountAttempt(&batch, a.Now)
	if err := count(ctx, &batch); err != nil {
		return f, fmt.Errorf("count login attempt: %w", err)
	}
	return f, nil
}

// LoggedIn adds to the unit what a successful login changes.
func (s *Store) LoggedIn(unit *pg.Unit, a Attempt, customer uuid.UUID, deviceID string, key []byte) {
	a.OTP.Use(unit, a.Now, ErrLoginFailed)
	unit.Add(pg.Statement{SQL: sqlLoginResetAttempts, Args: []any{a.Phone}})
	unit.Add(pg.Statement{SQL: sqlLoggedIn, Args: []any{customer, a.Now, deviceID}})
	bind(unit, customer, deviceID, key, a.Now)
}

func bind(unit *pg.Unit, customer uuid.UUID, deviceID string, key []byte, now time.Time) {
	if len(key) > 0 {
		unit.Add(pg.Statement{SQL: sqlDevice, Args: []any{customer, deviceID, key, now}})
	}
}

// Application is a request to sign up: five elements and a code.
type Application struct {
	Name, IDNo, CardNo string
	CardPassword       []byte
	Phone              []byte // blind index
	OTP                otp.Attempt
	Now                time.Time
}

// Verify counts the code's try and checks all elements, doing the same work
// whichever is wrong; ok is false for any mismatch (ACCT-016).
func (s *Store) Verify(ctx context.Context, count Count, a *Application) (customer uuid.UUID, ok bool, err error) {
	var r struct {
		dataKey, name, phone []byte
		owner                *uuid.UUID
		cardPassword         *string
	}
	var batch pgx.Batch
	a.OTP.CountAttempt(&batch, a.Now)
	batch.Queue(sqlApplicant, s.ring.BlindIndex("idno", a.IDNo), s.ring.BlindIndex("account.no", a.CardNo)).QueryRow(
		func(row pgx.Row) error {
			err := row.Scan(&customer, &r.dataKey, &r.name, &r.phone, &r.owner, &r.cardPassword)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err //nolint:wrapcheck // wrapped below
		})
	if err := count(ctx, &batch); err != nil {
		return uuid.Nil, false, fmt.Errorf("applicant: %w", err)
	}
	stored := absent
	if r.cardPassword != nil {
		stored = *r.cardPassword
	}
	card := sm.CheckPassword(stored, a.CardPassword) == nil
	code := a.OTP.Right(s.ring)
	name := s.open(r.dataKey, "name_ct", customer, r.name) == a.Name
	owner := r.owner != nil && *r.owner == customer
	return customer, card && code && name && owner && string(r.phone) == string(a.Phone), nil
}

// Register adds the credential to the unit. A customer who has one is refused
// like any other mismatch, so that each identity has exactly one.
func (s *Store) Register(unit *pg.Unit, a Application, customer uuid.UUID, p Passwords, deviceID string, key []byte) error {
	login, err := sm.HashPassword([]byte(p.Login))
	if err != nil {
		return fmt.Errorf("login password: %w", err)
	}
	trade, err := sm.HashPassword([]byte(p.Trade))
	if err != nil {
		return fmt.Errorf("trade password: %w", err)
	}
	a.OTP.Use(unit, a.Now, ErrRegistrationRefused)
	unit.Add(pg.Statement{
		SQL: sqlRegister, Args: []any{customer, login, trade, a.Now},
		Refuse: map[string]error{"credential_pkey": ErrRegistrationRefused},
	})
	bind(unit, customer, deviceID, key, a.Now)
	return nil
}

// Customer reads a customer who has signed up.
func (s *Store) Customer(ctx context.Context, id uuid.UUID) (Customer, error) {
	var c Customer
	var dataKey, name, phone, idno []byte
	err := s.db.QueryRow(ctx, sqlCustomer, id).Scan(
		&c.ID, &dataKey, &name, &phone, &idno, &c.LastLoginAt, &c.LastLoginDevice)
	if err != nil {
		return c, fmt.Errorf("customer: %w", err)
	}
	c.Name = s.open(dataKey, "name_ct", id, name)
	c.Phone = s.open(dataKey, "phone_ct", id, phone)
	c.IDNo = s.open(dataKey, "idno_ct", id, idno)
	return c, nil
}

// open opens a field; what does not open is nothing, and matches nothing.
func (s *Store) open(dataKey []byte, column string, customer uuid.UUID, sealed []byte) string {
	key, err := s.ring.OpenDataKey(dataKey)
	if err != nil {
		return ""
	}
	clear, err := key.Open(keys.AAD("customer", column, customer.String()), sealed)
	if err != nil {
		return ""
	}
	return string(clear)
}
