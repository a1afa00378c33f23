// Package environment decides on the app's reports about the safety of its environment, and
// owns the table device_report.
//
// The app finds a rooted phone, an emulator, a debugger and the like, and sends its findings
// at each login (identity-login) and each time when the customer opens it (device-report). A
// report names its session by the channel's id, and the order if it was made for one. It has
// a nonce, which is good once, and a signature by the device's key over Text. The bank adds
// findings of its own: a report that is missing, too old, repeated, altered, or of another
// session or order. Each finding has one action (rules). The newest report of the session
// counts at each transfer: it disables transfers (ErrUnsafe), or raises the grade of risk by
// one step. A grave finding also raises the risk of its device for a day
// (device.risk_seconds). Source: DEVICE-003, DEVICE-005 to DEVICE-008.
package environment

import (
	"slices"
	"strings"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// Refusals.
var (
	ErrUnsafe   = bankerr.New(bankerr.Refused, "ENVIRONMENT_UNSAFE")
	ErrReplayed = bankerr.New(bankerr.Conflict, "REPORT_REPLAYED")
)

// Finding is one fact about the environment, or about a report.
type Finding string

// The findings of the app.
const (
	Root           Finding = "root"
	Jailbreak      Finding = "jailbreak"
	Emulator       Finding = "emulator"
	VirtualMachine Finding = "virtual_machine"
	Debugger       Finding = "debugger"
	Automation     Finding = "automation"
	Repackaged     Finding = "repackaged"
	Proxy          Finding = "proxy"
	ScreenCapture  Finding = "screen_capture"
)

// The findings of the bank.
const (
	UnknownApp   Finding = "unknown_app"   // the digest of the app's signature is not of the bank's list
	Missing      Finding = "missing"       // the session has no report
	Stale        Finding = "stale"         // the newest report is older than device.report_seconds
	Replayed     Finding = "replayed"      // its nonce was used before
	Altered      Finding = "altered"       // it has no right signature of the device's key
	OtherSession Finding = "other_session" // it was made for another session
	OtherOrder   Finding = "other_order"   // it was made for another order than the one to confirm
	RiskyDevice  Finding = "risky_device"  // a grave finding on the device within device.risk_seconds
)

// Action is what the bank does about a finding.
type Action string

// The actions, from the mildest.
const (
	Warn    Action = "warn"    // the customer is warned
	Check   Action = "check"   // the grade of risk is raised by one step: transfers need stronger proofs
	Disable Action = "disable" // transfers are refused
)

// rule is the action about a finding, and the text for the customer.
type rule struct {
	action Action
	advice string
}

// rules is the one table of the actions (DEVICE-003, DEVICE-006, DEVICE-007).
var rules = map[Finding]rule{
	Root:           {Disable, "检测到手机已被ROOT，资金容易被盗，转账功能已停用；请恢复手机原厂系统后再使用"},
	Jailbreak:      {Disable, "检测到手机已越狱，资金容易被盗，转账功能已停用；请恢复手机原厂系统后再使用"},
	Emulator:       {Disable, "检测到应用运行在模拟器中，转账功能已停用；请在本人的手机上使用"},
	VirtualMachine: {Disable, "检测到应用运行在虚拟机中，转账功能已停用；请在本人的手机上使用"},
	Debugger:       {Disable, "检测到应用正在被调试，转账功能已停用；请关闭调试工具后重新打开应用"},
	Automation:     {Disable, "检测到自动操作工具，转账功能已停用；请关闭该工具后重新打开应用"},
	Repackaged:     {Disable, "检测到应用被改动，转账功能已停用；请卸载后从官方应用商店重新安装"},
	UnknownApp:     {Disable, "应用不是本行发布的版本，转账功能已停用；请卸载后从官方应用商店重新安装"},
	Proxy:          {Warn, "检测到手机使用了网络代理，信息可能被窃取；请关闭代理或更换网络"},
	ScreenCapture:  {Warn, "您刚刚进行了截屏，图片可能含有账户等敏感信息；请妥善保管，切勿发送给他人"},
	Missing:        {Check, "未收到手机的安全检测结果，转账需要更强的验证"},
	Stale:          {Check, "手机的安全检测结果已过期，转账需要更强的验证；请重新打开应用"},
	Replayed:       {Check, "手机的安全检测结果重复，转账需要更强的验证；请重新打开应用"},
	Altered:        {Check, "手机的安全检测结果未通过校验，转账需要更强的验证"},
	OtherSession:   {Check, "手机的安全检测结果不属于本次登录，转账需要更强的验证"},
	OtherOrder:     {Check, "手机的安全检测结果不属于该笔交易，需要更强的验证"},
	RiskyDevice:    {Check, "本机近期检测到安全风险，转账需要更强的验证"},
}

// Warning tells the customer about one finding.
type Warning struct {
	Finding Finding `json:"finding" doc:"What was found (docs/protocol.md, section 7)"`
	Action  Action  `json:"action" enum:"warn,check,disable" doc:"warn: no more; check: stronger proofs; disable: no transfers"`
	Advice  string  `json:"advice" doc:"Show it to the customer, in Chinese"`
}

// Judgement is what the bank does about a report.
type Judgement struct {
	Warnings         []Warning `json:"warnings" doc:"One for each finding; the app shows them"`
	TransferDisabled bool      `json:"transfer_disabled" doc:"Transfers are refused until a later report is clean"`
}

// Judge applies the rules to findings. A finding without a rule counts as grave.
func Judge(found []Finding) Judgement {
	j := Judgement{Warnings: []Warning{}}
	for _, f := range found {
		r, known := rules[f]
		if !known {
			r = rules[Repackaged]
		}
		j.Warnings = append(j.Warnings, Warning{Finding: f, Action: r.action, Advice: r.advice})
		j.TransferDisabled = j.TransferDisabled || r.action == Disable
	}
	return j
}

// advice joins the texts of the warnings with the action.
func (j Judgement) advice(about Action) string {
	var texts []string
	for _, w := range j.Warnings {
		if w.Action == about {
			texts = append(texts, w.Advice)
		}
	}
	return strings.Join(texts, "。")
}

func (j Judgement) has(about Action) bool {
	return slices.ContainsFunc(j.Warnings, func(w Warning) bool { return w.Action == about })
}

// UnsafeError tells the customer why transfers are refused.
type UnsafeError struct{ Advice string }

func (e *UnsafeError) Error() string { return "the environment is unsafe" }

// Standing is what counts about the environment of a session now.
type Standing struct{ Findings []Finding }

// Refuses returns ErrUnsafe with an UnsafeError if transfers are disabled.
func (s Standing) Refuses() error {
	j := Judge(s.Findings)
	if !j.TransferDisabled {
		return nil
	}
	return ErrUnsafe.Because(&UnsafeError{Advice: j.advice(Disable)})
}

// Risky reports whether the findings raise the grade of risk.
func (s Standing) Risky() bool { return Judge(s.Findings).has(Check) }

// Reason is the findings as the access record shows them; "" if there are none.
func Reason(found []Finding) string {
	if len(found) == 0 {
		return ""
	}
	return "environment " + strings.Join(texts(found), " ")
}

func texts(found []Finding) []string {
	list := make([]string, len(found))
	for i, f := range found {
		list[i] = string(f)
	}
	return list
}
