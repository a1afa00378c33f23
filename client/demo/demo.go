package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/devapi"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	loginPassword = "haichao-88x"
	tradePassword = "739164"
	amount        = money.Fen(1234_56)
)

// demo is one run of the demo.
type demo struct {
	dev    devapi.API
	app    *client.Client
	me     devapi.Person
	payee  devapi.Person
	debit  client.AccountView
	intent client.TransferPrepareReply
	proofs []client.StepupProof
	key    string
	made   client.TransferView
	began  time.Time
	steps  int
}

var errUnexpected = errors.New("与预期不符 (unexpected)")

func unexpected(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUnexpected, fmt.Sprintf(format, args...))
}

func (d *demo) run(ctx context.Context) error {
	steps := []struct {
		title string
		do    func(context.Context) error
	}{
		{"准备两位银行客户，核对银行证书", d.meet},
		{"建立国密安全通道，注册手机银行", d.register},
		{"登录（登录密码 + 短信验证码）", d.login},
		{"资产总览", d.overview},
		{"准备转账", d.prepare},
		{"被篡改的确认应被拒绝", d.tamper},
		{"确认转账（短信验证码 + 设备密钥签名）", d.confirm},
		{"同一请求重复提交，只入账一次", d.repeat},
		{"电子回单", d.receipt},
		{"账户明细", d.statement},
		{"他人账户不可见", d.foreign},
		{"事件：通知、审计、反欺诈", d.events},
		{"消息与动账短信", d.messages},
		{"退出登录，会话立即失效", d.logout},
	}
	for i, s := range steps {
		start := time.Now()
		fmt.Printf("\n%2d. %s\n", i+1, s.title)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("第 %d 步「%s」: %w", i+1, s.title, err)
		}
		d.steps++
		fmt.Printf("    ✓ %v\n", time.Since(start).Round(100*time.Microsecond))
	}
	return nil
}

func say(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }

func (d *demo) meet(ctx context.Context) error {
	der, err := d.dev.Certificate(ctx)
	if err != nil {
		return fmt.Errorf("连不上银行 %s，请先在另一个终端运行 make run (start the bank first): %w", d.dev.Base, err)
	}
	pinned, err := sm.CertificateKey(der, time.Now())
	if err != nil {
		return fmt.Errorf("银行证书: %w", err)
	}
	device, err := sm.GenerateKey()
	if err != nil {
		return fmt.Errorf("设备密钥: %w", err)
	}
	if d.me, err = d.dev.NewCustomer(ctx); err != nil {
		return err
	}
	if d.payee, err = d.dev.NewCustomer(ctx); err != nil {
		return err
	}
	d.app = client.New(client.Config{
		BaseURL: d.dev.Base, DeviceID: "demo-" + uuid.NewString(), Device: device, Pinned: pinned,
	})
	say("付款人 %s，收款人 %s", d.me.Name, d.payee.Name)
	return nil
}

func (d *demo) register(ctx context.Context) error {
	err := d.app.SendOTP(ctx, "register", d.me.Phone, client.Captcha{})
	if !errors.Is(err, &client.Problem{Code: "CAPTCHA_REQUIRED"}) {
		return unexpected("新设备不填图形验证码得到 %v", err)
	}
	issued, err := d.app.CaptchaIssue(ctx)
	if err != nil {
		return fmt.Errorf("图形验证码: %w", err)
	}
	answer, err := d.dev.Captcha(ctx, issued.CaptchaID)
	if err != nil {
		return err
	}
	say("安全通道：%s", map[int]string{1: "SM2", 2: "SM2 与 ML-KEM-768 混合"}[d.app.ChannelVersion()])
	say("新设备先填图形验证码：%s", answer)
	code, text, err := d.dev.Code(ctx, d.me.Phone, "开通", func() error {
		return d.app.SendOTP(ctx, "register", d.me.Phone, client.Captcha{ID: issued.CaptchaID, Answer: answer})
	})
	if err != nil {
		return fmt.Errorf("发送验证码: %w", err)
	}
	say("短信：%s", text)
	return d.app.Register(ctx, client.Application{
		Name: d.me.Name, IDNo: d.me.IDNo, CardNo: d.me.CardNo, CardPassword: d.me.CardPassword, Phone: d.me.Phone, OTP: code,
		LoginPassword: loginPassword, TradePassword: tradePassword,
	})
}

func (d *demo) login(ctx context.Context) error {
	ask := func() error { return d.app.SendOTP(ctx, "login", d.me.Phone, client.Captcha{}) }
	code, text, err := d.dev.Code(ctx, d.me.Phone, "登录", ask)
	if err != nil {
		return fmt.Errorf("发送验证码: %w", err)
	}
	say("短信：%s", text)
	if again := ask(); !errors.Is(again, &client.Problem{Code: "OTP_TOO_OFTEN"}) {
		return unexpected("一分钟内再次获取验证码得到 %v", again)
	}
	if _, err := d.app.Login(ctx, d.me.Phone, "wrong-pass1", code); !errors.Is(err, &client.Problem{Code: "LOGIN_FAILED"}) {
		return unexpected("错误密码得到 %v", err)
	}
	say("错误密码：用户名或密码、验证码错误")
	if _, err := d.app.Login(ctx, d.me.Phone, loginPassword, code); err != nil {
		return fmt.Errorf("登录: %w", err)
	}
	me, err := d.app.IdentityMe(ctx)
	if err != nil {
		return fmt.Errorf("客户信息: %w", err)
	}
	say("您好，%s（%s，%s）", me.NameMasked, me.PhoneMasked, me.IDNoMasked)
	if strings.Contains(me.PhoneMasked, d.me.Phone[3:7]) {
		return unexpected("手机号没有脱敏：%s", me.PhoneMasked)
	}
	return nil
}

func (d *demo) overview(ctx context.Context) error {
	o, err := d.app.AccountOverview(ctx)
	if err != nil {
		return fmt.Errorf("总览: %w", err)
	}
	var sum money.Fen
	for _, a := range o.Accounts {
		say("%s  余额 %s 元", a.NumberMasked, a.Balance.Yuan())
		sum += a.Balance
	}
	if len(o.Accounts) != 2 || sum != o.Assets.Total {
		return unexpected("%d 个账户，合计 %s，总资产 %s", len(o.Accounts), sum.Yuan(), o.Assets.Total.Yuan())
	}
	d.debit = o.Accounts[0]
	if o.Accounts[1].Balance > d.debit.Balance {
		d.debit = o.Accounts[1]
	}
	return nil
}

func (d *demo) prepare(ctx context.Context) error {
	order := client.TransferPrepareRequest{
		DebitAccountID: d.debit.AccountID, PayeeAccountNo: d.payee.CardNo, PayeeName: d.payee.Name, Amount: amount, Memo: "午餐",
	}
	wrong := order
	wrong.PayeeName = "不是此人"
	if _, err := d.app.TransferPrepare(ctx, wrong); !errors.Is(err, &client.Problem{Code: "PAYEE_MISMATCH"}) {
		return unexpected("错误户名得到 %v", err)
	}
	var err error
	if d.intent, err = d.app.TransferPrepare(ctx, order); err != nil {
		return fmt.Errorf("准备转账: %w", err)
	}
	for line := range strings.SplitSeq(d.intent.Text, "\n") {
		say("│ %s", line)
	}
	say("可用认证方式：%s", strings.Join(d.intent.Combinations, "，或 "))
	return nil
}

func (d *demo) tamper(ctx context.Context) error {
	code, text, err := d.dev.Code(ctx, d.me.Phone, "转账", func() error {
		return d.app.SendIntentOTP(ctx, d.intent.IntentID)
	})
	if err != nil {
		return fmt.Errorf("发送验证码: %w", err)
	}
	say("短信：%s", text)
	if !strings.Contains(text, amount.Yuan()) {
		return unexpected("短信没有写明金额")
	}
	other := d.intent
	other.Text = strings.Replace(d.intent.Text, amount.Yuan(), "1.00", 1)
	forged, err := d.app.SignProof(other.Text)
	if err != nil {
		return err
	}
	_, err = d.app.TransferConfirm(ctx, "", client.TransferConfirmRequest{
		IntentID: d.intent.IntentID, Proofs: []client.StepupProof{client.OTPProof(code), forged},
	})
	if !errors.Is(err, &client.Problem{Code: "PROOF_REJECTED"}) {
		return unexpected("对其他内容的签名得到 %v", err)
	}
	say("对其他内容的签名：身份验证未通过")
	signed, err := d.app.SignProof(d.intent.Text)
	d.proofs = []client.StepupProof{client.OTPProof(code), signed}
	return err
}

func (d *demo) confirmation() client.TransferConfirmRequest {
	return client.TransferConfirmRequest{IntentID: d.intent.IntentID, Proofs: d.proofs}
}

func (d *demo) confirm(ctx context.Context) error {
	d.key = uuid.NewString()
	var err error
	if d.made, err = d.app.TransferConfirm(ctx, d.key, d.confirmation()); err != nil {
		return fmt.Errorf("确认: %w", err)
	}
	say("已转出 %s 元，流水号 %s", d.made.Amount.Yuan(), d.made.TransferID)
	return nil
}

func (d *demo) repeat(ctx context.Context) error {
	again, err := d.app.TransferConfirm(ctx, d.key, d.confirmation())
	if err != nil || again.TransferID != d.made.TransferID {
		return unexpected("重复请求得到 %v %v", again.TransferID, err)
	}
	account, err := d.app.AccountDetail(ctx, client.AccountDetailRequest{AccountID: d.debit.AccountID})
	if err != nil {
		return fmt.Errorf("账户: %w", err)
	}
	if account.Balance != d.debit.Balance-amount {
		return unexpected("余额 %s，应为 %s", account.Balance.Yuan(), (d.debit.Balance - amount).Yuan())
	}
	say("同一流水号，余额 %s 元", account.Balance.Yuan())
	return nil
}

func (d *demo) receipt(ctx context.Context) error {
	r, err := d.app.TransferGet(ctx, client.TransferGetRequest{TransferID: d.made.TransferID})
	if err != nil {
		return fmt.Errorf("回单: %w", err)
	}
	if r != d.made && r.Amount != amount {
		return unexpected("回单 %+v", r)
	}
	say("%s  %s → %s %s  %s 元  %s", r.PostedAt.Format("2006-01-02 15:04:05"), r.PayerAccountMasked, r.PayeeNameMasked,
		r.PayeeAccountMasked, r.Amount.Yuan(), r.Memo)
	list, err := d.app.TransferList(ctx, client.TransferListRequest{})
	if err != nil || len(list.Transfers) != 1 {
		return unexpected("转账记录 %d 条 %v", len(list.Transfers), err)
	}
	return nil
}

func (d *demo) statement(ctx context.Context) error {
	s, err := d.app.AccountStatement(ctx, client.AccountStatementRequest{AccountID: d.debit.AccountID})
	if err != nil {
		return fmt.Errorf("明细: %w", err)
	}
	for _, e := range s.Entries {
		say("%s  %12s  余额 %12s  %s %s", e.PostedAt.Format("01-02 15:04:05"), e.Amount.Yuan(), e.BalanceAfter.Yuan(),
			e.Counterparty, e.Summary)
	}
	if len(s.Entries) != 2 || s.Entries[0].Amount != -amount {
		return unexpected("%d 条明细", len(s.Entries))
	}
	return nil
}

func (d *demo) foreign(ctx context.Context) error {
	foreign := client.AccountDetailRequest{AccountID: uuid.New()}
	if _, err := d.app.AccountDetail(ctx, foreign); !errors.Is(err, &client.Problem{Code: "OBJECT_NOT_FOUND"}) {
		return unexpected("不是自己的账户得到 %v", err)
	}
	say("没有找到相关信息")
	return nil
}

// events waits until every consumer has had its effect.
func (d *demo) events(ctx context.Context) error {
	var list []devapi.Event
	err := devapi.Until(ctx, "等待事件送达", func() (bool, error) {
		var err error
		if list, err = d.dev.Events(ctx, d.made.TransferID.String()); err != nil {
			return false, err
		}
		return arrived(list)
	})
	for _, e := range list {
		for _, x := range e.Deliveries {
			say("%-36s → %-20s %s", e.Type, x.Consumer, x.State)
		}
	}
	return err
}

// arrived reports whether each of the transfer's two events exists once and every
// consumer has taken it.
func arrived(list []devapi.Event) (bool, error) {
	count := map[string]int{}
	all := true
	for _, e := range list {
		count[e.Type]++
		all = all && len(e.Deliveries) > 0
		for _, x := range e.Deliveries {
			if x.State == "dead" {
				return false, unexpected("%s 没有送达 %s", e.Type, x.Consumer)
			}
			all = all && x.State == "done"
		}
	}
	posted, scored := count["com.tidebank.transfer.posted.v1"], count["com.tidebank.fraud.scored.v1"]
	if posted > 1 || scored > 1 {
		return false, unexpected("事件重复")
	}
	return all && posted == 1 && scored == 1, nil
}

func (d *demo) messages(ctx context.Context) error {
	inbox, err := d.app.MessageList(ctx, client.MessageListRequest{})
	if err != nil {
		return fmt.Errorf("消息: %w", err)
	}
	if len(inbox.Messages) != 2 || inbox.Unread != 2 { // of the device's key, and of the transfer
		return unexpected("%d 条消息，%d 条未读", len(inbox.Messages), inbox.Unread)
	}
	for _, m := range inbox.Messages {
		say("消息：%s %s", m.Title, m.Body)
	}
	for _, phone := range []string{d.me.Phone, d.payee.Phone} {
		texts, err := d.dev.Texts(ctx, phone)
		if err != nil {
			return err
		}
		notice := slices.IndexFunc(texts, func(t string) bool {
			return strings.Contains(t, amount.Yuan()) && !strings.Contains(t, "验证码")
		})
		if notice < 0 {
			return unexpected("没有动账短信")
		}
		say("短信：%s", texts[notice])
	}
	if _, err := d.app.MessageRead(ctx, client.MessageReadRequest{All: true}); err != nil {
		return fmt.Errorf("消息已读: %w", err)
	}
	return nil
}

func (d *demo) logout(ctx context.Context) error {
	if _, err := d.app.IdentityLogout(ctx); err != nil {
		return fmt.Errorf("退出: %w", err)
	}
	if _, err := d.app.AccountOverview(ctx); !errors.Is(err, &client.Problem{Code: "SESSION_REQUIRED"}) {
		return unexpected("退出后得到 %v", err)
	}
	say("登录已失效")
	return nil
}
