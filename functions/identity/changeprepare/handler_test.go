package changeprepare_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
)

// Each change names its function, its proofs and its text.
func TestWhatConfirmsAChange(t *testing.T) {
	t.Parallel()
	w := bank.NewPair(t, 0)
	w.Exec(t, "UPDATE account SET kind = 'class2' WHERE customer_id = $1", w.Payer.ID)
	prepare := func(what stepup.Change) (in identitychangeprepare.Response) {
		request := map[string]any{"change": what}
		if what == stepup.ChangePhone {
			request["phone"] = "13900002222"
		}
		w.Phone.Call(t, identitychangeprepare.Function, "", request).Into(t, &in)
		return in
	}
	for what, want := range map[stepup.Change]struct {
		function, title string
		young, old      []string
	}{
		stepup.ChangeLoginPassword: {
			"identity-password-change", "办理事项：修改登录密码",
			[]string{"login_password+sms_otp"},
			[]string{"login_password+sms_otp", "login_password+device_key"},
		},
		stepup.SetAlias: {
			"identity-alias-set", "办理事项：设置登录别名",
			[]string{"login_password+sms_otp"},
			[]string{"login_password+sms_otp", "login_password+device_key"},
		},
		stepup.ChangePhone: {
			"identity-phone-change", "办理事项：修改手机号码",
			[]string{"login_password+sms_otp"},
			[]string{"login_password+sms_otp", "login_password+device_key"},
		},
		stepup.SetGesture: {
			"identity-gesture-set", "办理事项：设置本机手势密码",
			[]string{"login_password+sms_otp+device_key"},
			[]string{"login_password+sms_otp+device_key"},
		},
		stepup.SetFingerprint: {
			"identity-unlock-key-set", "办理事项：开通本机指纹登录",
			[]string{"sms_otp+device_key+trade_password"},
			[]string{"sms_otp+device_key+trade_password"},
		},
		stepup.SetFace: {
			"identity-unlock-key-set", "办理事项：开通本机面容登录",
			[]string{"sms_otp+device_key+trade_password"},
			[]string{"sms_otp+device_key+trade_password"},
		},
		stepup.ChangeTradePassword: {
			"identity-trade-password-set", "办理事项：修改交易密码",
			[]string{"sms_otp+trade_password"},
			[]string{"sms_otp+trade_password", "device_key+trade_password"},
		},
		stepup.ResetTradePassword: {
			"identity-trade-password-set", "办理事项：重置交易密码",
			[]string{"login_password+sms_otp"},
			[]string{"login_password+sms_otp"},
		},
	} {
		w.Exec(t, "UPDATE device SET bound_at = $1", bank.Start)
		in := prepare(what)
		if in.Function != want.function || !strings.Contains(in.Text, want.title) || !strings.Contains(in.Text, in.IntentID.String()) ||
			string(in.Digest) != string(sm.Digest([]byte(in.Text))) {
			t.Errorf("%s: %+v", what, in)
		}
		if diff := cmp.Diff(want.young, in.Combinations); diff != "" {
			t.Errorf("%s with a key of today (-want +got):\n%s", what, diff)
		}
		w.Exec(t, "UPDATE device SET bound_at = bound_at - interval '1 day'")
		if diff := cmp.Diff(want.old, prepare(what).Combinations); diff != "" {
			t.Errorf("%s with a key of yesterday (-want +got):\n%s", what, diff)
		}
	}
	w.Phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": "name"}).Want(t, "INPUT_INVALID")
	w.Device(t, "stranger").Call(t, identitychangeprepare.Function, "", map[string]any{"change": "login_password"}).
		Want(t, "SESSION_REQUIRED")
}
