package identity

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// PasswordChange is the only function that may confirm a change of the login password.
const PasswordChange = "identity-password-change"

// TradePasswordSet is the only function that may confirm a change or a reset of the trade
// password.
const TradePasswordSet = "identity-trade-password-set"

// AliasSet is the only function that may confirm a new alias for log-ins.
const AliasSet = "identity-alias-set"

// TokenBind is the only function that may confirm the binding of a dynamic token
// (stepup.TokenBind).
const TokenBind = "identity-token-bind"

// CertApply is the only function that may confirm the application for a certificate.
const CertApply = "identity-cert-apply"

// DeviceUnlock is the only function that may confirm that the lock of the log-in is released.
const DeviceUnlock = "identity-device-unlock"

// PhoneChange is the only function that may confirm a new phone number.
const PhoneChange = "identity-phone-change"

// GestureSet is the only function that may confirm a gesture.
const GestureSet = "identity-gesture-set"

// UnlockKeySet is the only function that may confirm a key that a fingerprint or a face unlocks.
const UnlockKeySet = "identity-unlock-key-set"

// ChangeLife is how long a prepared change waits for its proofs.
const ChangeLife = 10 * time.Minute

// Change is a prepared change of the customer's own data: the payload of its intent.
type Change struct {
	What  stepup.Change `json:"what"`
	Phone string        `json:"phone,omitempty"` // the new number, for ChangePhone; stepup.NewPhone reads it
	// Session is the session that asked, for Applies: no other may bring the request (AUTH-022).
	Session string `json:"session,omitempty"`
}

// changes lists, for each change, the function that confirms it and its name in the texts.
var changes = map[stepup.Change]struct{ function, chinese string }{
	stepup.ChangeLoginPassword: {PasswordChange, "修改登录密码"},
	stepup.ChangeTradePassword: {TradePasswordSet, "修改交易密码"},
	stepup.ResetTradePassword:  {TradePasswordSet, "重置交易密码"},
	stepup.SetAlias:            {AliasSet, "设置登录别名"},
	stepup.ChangePhone:         {PhoneChange, "修改手机号码"},
	stepup.BindToken:           {TokenBind, "启用动态令牌"},
	stepup.ApplyCertificate:    {CertApply, "申请数字证书"},
	stepup.ApplyShield:         {CertApply, "开通手机盾"},
	stepup.UnlockDevice:        {DeviceUnlock, "解除设备锁"},
	stepup.SetGesture:          {GestureSet, "设置本机手势密码"},
	stepup.SetFingerprint:      {UnlockKeySet, "开通本机指纹登录"},
	stepup.SetFace:             {UnlockKeySet, "开通本机面容登录"},
}

// Function is the only function that may confirm the change.
func (c Change) Function() string { return changes[c.What].function }

// Resets reports whether the customer has forgotten what the change replaces.
func (c Change) Resets() bool {
	switch c.What {
	case stepup.ResetTradePassword:
		return true
	default:
		return false
	}
}

// Text is the text that the customer reads, signs and confirms. It shows a new number masked.
func (c Change) Text(id uuid.UUID, at time.Time) string {
	lines := []string{"潮汐银行业务确认", "办理事项：" + changes[c.What].chinese}
	if c.Phone != "" {
		lines = append(lines, "新手机号码："+mask.Phone(c.Phone))
	}
	lines = append(lines, "时间："+at.In(clock.Shanghai).Format("2006-01-02 15:04:05"), "编号："+id.String())
	return strings.Join(lines, "\n")
}

// Applies reports whether the change is an application for a certificate.
func (c Change) Applies() bool { return c.What == stepup.ApplyCertificate || c.Shields() }

// Shields reports whether the certificate is for a phone shield.
func (c Change) Shields() bool { return c.What == stepup.ApplyShield }

// OnDevice reports whether the change is about the device that asks: the customer must have bound
// its key.
func (c Change) OnDevice() bool {
	switch c.What {
	case stepup.SetGesture, stepup.SetFingerprint, stepup.SetFace:
		return true
	default:
		return false
	}
}

// UnlockedBy is what unlocks the key that the change registers; "" for other changes.
func (c Change) UnlockedBy() device.Method {
	switch c.What {
	case stepup.SetFingerprint:
		return device.ByFingerprint
	case stepup.SetFace:
		return device.ByFace
	default:
		return ""
	}
}

// Binds reports whether the change puts a dynamic token into use.
func (c Change) Binds() bool { return c.What == stepup.BindToken }

// Allowed refuses the reset of a forgotten trade password with RESET_BRANCH_ONLY if the
// customer holds an account of another class than II and III: a branch resets it (PWD-021).
func (c Change) Allowed(ctx context.Context, db pg.Reader, customer uuid.UUID) error {
	if !c.Resets() {
		return nil
	}
	full, err := ledger.HoldsFull(ctx, db, customer)
	if err != nil {
		return err
	}
	if full {
		return ErrBranchOnly
	}
	return nil
}
