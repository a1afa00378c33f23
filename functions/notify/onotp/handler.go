// Package onotp computes a one-time code and sends it.
//
//	com.tidebank.otp.issued.v1 → SMS   emits message.refused.v1 if the gateway refuses it
//
// No event, table or log holds the code: this function computes it from the
// challenge. The text names the code's purpose; for an intent it names the masked
// payee and the amount (OTP-004). A code that proves a new number goes to this number. The
// function sends nothing for a challenge that has expired or has no customer. The id of the text names the issue of the code, not the
// event. So a late event of an earlier code finds the newer code, and the gateway
// does not send that code twice.
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
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Event(fn.Spec{
	Name: "notify-on-otp", Summary: "Send a one-time code by SMS",
	Keys:     []keys.Purpose{keys.OTP, keys.Storage},
	Consumes: []string{events.TypeOTPIssued}, Emits: []string{events.TypeMessageRefused},
	Requirements: []string{"OTP-004", "OTP-005", "OTP-006"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct{ SMS sms.Config }

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.Reaction[events.OTPIssued], error) {
	gateway := sms.New(config.SMS, lent.Clock).Timed(lent.Downstream(downstream.SMS))
	texts := notify.Texts{DB: lent.DB, Keys: lent.Keys, Gateway: gateway, Clock: lent.Clock}
	return func(ctx context.Context, e fn.Delivery[events.OTPIssued]) (fn.Effect, error) {
		issued, found, err := otp.Load(ctx, lent.DB, e.Data.Challenge)
		if err != nil || !found || issued.CustomerID == nil || !lent.Clock.Now().Before(issued.ExpiresAt) {
			return nil, err
		}
		purpose, fresh, err := purposeText(ctx, lent, issued, e.Data.IntentID)
		if err != nil || purpose == "" {
			return nil, err
		}
		body := fmt.Sprintf("【潮汐银行】验证码%s，用于%s，%d秒内有效。请勿告诉任何人，包括银行工作人员。",
			issued.Code(lent.Keys), purpose, int(issued.Life().Seconds()))
		text := notify.Text{
			ID: messageID(e.Data.Challenge, issued), To: *issued.CustomerID, Kind: "otp", Class: sms.Codes, At: e.Time, Body: body,
		}
		if fresh != "" {
			return texts.SendTo(ctx, text, fresh)
		}
		return texts.Send(ctx, text)
	}, nil
}

// messageID identifies one issue of one challenge's code. It is a digest, because the
// subject holds the phone number's blind index.
func messageID(subject string, issued otp.Issued) string {
	at := strconv.FormatInt(issued.ExpiresAt.UnixMicro(), 10)
	return "otp:" + hex.EncodeToString(sm.Digest([]byte(subject), []byte{0}, []byte(at))[:16])
}

// purposeText describes the purpose of the code. fresh is the number that gets a code for a
// new number, and empty for every other code. The purpose is empty if the intent no longer
// exists.
func purposeText(ctx context.Context, lent *fn.Lent, issued otp.Issued, intentID string) (purpose, fresh string, err error) {
	switch issued.Purpose {
	case otp.Register:
		return "开通手机银行", "", nil
	case otp.Login:
		return "登录手机银行", "", nil
	case otp.Forgotten:
		return "找回登录密码", "", nil
	case otp.Intent, otp.NewPhone:
	default:
		return "", "", bankerr.ErrInput.Because(fmt.Errorf("purpose %q", issued.Purpose))
	}
	id, err := uuid.Parse(intentID)
	if err != nil {
		return "", "", bankerr.ErrInput.Because(err)
	}
	intent, err := stepup.Load(ctx, lent.DB, lent.Keys, id, *issued.CustomerID, lent.Clock.Now())
	if errors.Is(err, stepup.ErrUsed) || errors.Is(err, stepup.ErrExpired) || errors.Is(err, bankerr.ErrNotFound) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	if issued.Purpose == otp.NewPhone {
		fresh, err = stepup.NewPhone(intent)
		return "将本号码设为手机银行的手机号码", fresh, err
	}
	return summary(intent.Text), "", nil
}

// summary returns the lines of an intent's text that name payee and amount, or the change
// of the customer's own data that the text names.
func summary(text string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		if change, is := strings.CutPrefix(line, "办理事项："); is {
			return change
		}
		for _, name := range []string{"收款户名", "收款账户", "收款识别码", "金额"} {
			if strings.HasPrefix(line, name) {
				kept = append(kept, line)
			}
		}
	}
	return "转账（" + strings.Join(kept, "，") + "）"
}
