// Package consent owns the table biometric_consent: the purposes for which a customer lets the
// bank use biometric data.
//
// Without a consent there is none. The app shows the notice of a purpose, and the customer agrees
// to it by its SM3 digest. Each consent and withdrawal is a row with the text, the device and the
// time; the newest row decides, and a row is never changed. After the withdrawal of the last
// consent, the bank deletes what it holds of the customer's face in the same transaction.
// Refusals: CONSENT_MISSING, NOTICE_UNACKNOWLEDGED.
//
// Source: BIO-007.
package consent

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Refusals.
var (
	ErrMissing        = bankerr.New(bankerr.Refused, "CONSENT_MISSING")
	ErrUnacknowledged = bankerr.New(bankerr.Refused, "NOTICE_UNACKNOWLEDGED")
)

// Purpose is a use of biometric data. The table's CHECK lists the same purposes.
type Purpose string

// The purposes.
const (
	Transfer Purpose = "transfer" // to confirm transfers
	Security Purpose = "security" // to confirm changes of passwords, devices and other settings of security
)

// transferOperation is the operation of the purpose Transfer; all others are of Security.
const transferOperation = "transfer-confirm"

// Of returns the purpose of a check that serves the operation.
func Of(operation string) Purpose {
	if operation == transferOperation {
		return Transfer
	}
	return Security
}

// Notice is what the customer reads before the consent to a purpose, in Chinese.
type Notice struct {
	Purpose Purpose
	Title   string
	Text    string
}

// All lists the purposes with their notices.
func All() []Notice {
	const means = "我行将采集您的人脸视频，加密后交人脸识别系统与您留存的照片比对，不保存视频和图像，仅加密保存照片编号和比对摘要。"
	const ends = "您可以随时撤回同意；撤回后不影响使用其他验证方式，撤回全部同意后我行删除上述信息。"
	return []Notice{
		{Purpose: Transfer, Title: "转账时的人脸识别", Text: "用途：仅用于核验您发起的转账。" + means + ends},
		{Purpose: Security, Title: "安全设置变更时的人脸识别", Text: "用途：仅用于核验您对密码、设备、手机号等安全设置的变更。" + means + ends},
	}
}

// Find returns the notice of a purpose.
func Find(purpose Purpose) (Notice, bool) {
	for _, n := range All() {
		if n.Purpose == purpose {
			return n, true
		}
	}
	return Notice{}, false
}

// Digest is the SM3 of the text in UTF-8, by which the customer agrees to this text.
func (n Notice) Digest() []byte { return sm.Digest([]byte(n.Text)) }

// Acknowledged reports whether the digest is of this notice.
func (n Notice) Acknowledged(digest []byte) bool { return bytes.Equal(digest, n.Digest()) }

const (
	sqlConsents = `-- biometric_consent.newest
SELECT DISTINCT ON (purpose) purpose, given, changed_at FROM biometric_consent WHERE customer_id = $1
 ORDER BY purpose, changed_at DESC, id DESC`

	sqlConsentsForget = `-- biometric_consent.forget
DELETE FROM biometric_consent WHERE customer_id = $1`
)

// State is a customer's newest decision about a purpose.
type State struct {
	Given     bool
	ChangedAt *time.Time // nil: the customer has never decided
}

// ListConsents returns the decision about each purpose that the customer has decided about.
func ListConsents(ctx context.Context, db pg.Reader, customer uuid.UUID) (map[Purpose]State, error) {
	rows, err := db.Query(ctx, sqlConsents, customer)
	if err != nil {
		return nil, fmt.Errorf("consents: %w", err)
	}
	states := map[Purpose]State{}
	var purpose Purpose
	var given bool
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&purpose, &given, &at}, func() error {
		changed := at
		states[purpose] = State{Given: given, ChangedAt: &changed}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("consents: %w", err)
	}
	return states, nil
}

// Decision is a customer's decision about a purpose.
type Decision struct {
	Customer uuid.UUID
	Notice   Notice // the customer has acknowledged it, for a consent
	DeviceID string
	At       time.Time
}

// GiveConsent adds the consent to a unit of work, with the notice.
func GiveConsent(unit *pg.Unit, d Decision) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("consent: %w", err)
	}
	unit.Add(pg.Statement{Call: "biometric_give", Args: []any{id, d.Customer, d.Notice.Purpose, d.Notice.Text, d.DeviceID, d.At}})
	return nil
}

// WithdrawConsent adds the withdrawal to a unit of work. face.ForgetUnconsented follows it.
func WithdrawConsent(unit *pg.Unit, d Decision) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("consent: %w", err)
	}
	unit.Add(pg.Statement{Call: "biometric_withdraw", Args: []any{id, d.Customer, d.Notice.Purpose, d.DeviceID, d.At}})
	return nil
}

// Forget deletes the decisions of a customer whose record is erased.
func Forget(ctx context.Context, to pg.Writer, customer uuid.UUID) error {
	return to.Write(ctx, pg.Statement{SQL: sqlConsentsForget, Args: []any{customer}})
}
