// Package onotp computes a one-time code and sends it.
//
//	com.tidebank.otp.issued.v1 → SMS
//
// The code is in no event, table or log: it is computed here from the challenge.
// The text says what the code is for; for an intent it names masked payee and
// amount (OTP-004). A challenge that has expired, or belongs to nobody, sends
// nothing. The gateway takes each issue of a code once, whichever event brings
// it: a late event of an earlier code finds the newer one, and must not send that
// a second time.
package onotp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/notify"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function is what the registry and its main are made from.
var Function = fn.Event(fn.Spec{
	Name: "notify-on-otp", Summary: "Send a one-time code by SMS",
	Keys:     []keys.Purpose{keys.OTP, keys.Storage},
	Consumes: []string{events.TypeOTPIssued}, Requirements: []string{"OTP-004", "OTP-005", "OTP-006"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ SMS sms.Config }

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.Reaction[events.OTPIssued], error) {
	texts := notify.Texts{DB: lent.DB, Keys: lent.Keys, Gateway: sms.New(config.SMS, lent.Clock)}
	return func(ctx context.Context, e fn.Delivery[events.OTPIssued]) (fn.Effect, error) {
		issued, found, err := otp.Load(ctx, lent.DB, e.Data.Challenge)
		if err != nil || !found || issued.CustomerID == nil || !lent.Clock.Now().Before(issued.ExpiresAt) {
			return nil, err
		}
		purpose, err := purposeText(ctx, lent, issued, e.Data.IntentID)
		if err != nil || purpose == "" {
			return nil, err
		}
		text := fmt.Sprintf("【潮汐银行】验证码%s，用于%s，%d秒内有效。请勿告诉任何人，包括银行工作人员。",
			issued.Code(lent.Keys), purpose, int(issued.Life().Seconds()))
		return nil, texts.Send(ctx, messageID(e.Data.Challenge, issued), *issued.CustomerID, text)
	}, nil
}

// messageID stands for one issue of one challenge's code. It is a digest, since
// the subject holds the phone number's blind index.
func messageID(subject string, issued otp.Issued) string {
	at := strconv.FormatInt(issued.ExpiresAt.UnixMicro(), 10)
	return "otp:" + hex.EncodeToString(sm.Digest([]byte(subject), []byte{0}, []byte(at))[:16])
}

// purposeText says what the code is for; empty if there is nothing any more.
func purposeText(ctx context.Context, lent *fn.Lent, issued otp.Issued, intentID string) (string, error) {
	switch issued.Purpose {
	case otp.Register:
		return "开通手机银行", nil
	case otp.Login:
		return "登录手机银行", nil
	case otp.Intent:
	default:
		return "", bankerr.ErrInput.Because(fmt.Errorf("purpose %q", issued.Purpose))
	}
	id, err := uuid.Parse(intentID)
	if err != nil {
		return "", bankerr.ErrInput.Because(err)
	}
	intent, err := stepup.Load(ctx, lent.DB, lent.Keys, id, *issued.CustomerID, lent.Clock.Now())
	if errors.Is(err, stepup.ErrUsed) || errors.Is(err, stepup.ErrExpired) || errors.Is(err, bankerr.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return summary(intent.Text), nil
}

// summary keeps the lines of an intent's text that name payee and amount.
func summary(text string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		for _, name := range []string{"收款户名", "收款账户", "金额"} {
			if strings.HasPrefix(line, name) {
				kept = append(kept, line)
			}
		}
	}
	return "转账（" + strings.Join(kept, "，") + "）"
}
