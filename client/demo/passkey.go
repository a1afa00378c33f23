package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/passkeysim"
	"github.com/tidebank/tidebank/shared/device"
)

// between is the time after which the bank sends the customer another code.
const between = 61 * time.Second

// passkey registers a passkey of a browser, and logs in by it. The demo plays the authenticator.
func (d *demo) passkey(ctx context.Context) error {
	browser, err := passkeysim.New("localhost", "http://localhost:8080")
	if err != nil {
		return fmt.Errorf("认证器: %w", err)
	}
	if _, err := d.dev.Advance(ctx, between); err != nil {
		return err
	}
	in, err := d.app.IdentityChangePrepare(ctx, client.IdentityChangePrepareRequest{Change: "passkey"})
	if err != nil {
		return fmt.Errorf("准备: %w", err)
	}
	code, text, err := d.dev.Code(ctx, d.me.Phone, "", func() error { return d.app.SendIntentOTP(ctx, in.IntentID) })
	if err != nil {
		return fmt.Errorf("发送验证码: %w", err)
	}
	say("短信：%s", text)
	sealed, err := d.app.SealPassword(ctx, tradePassword)
	if err != nil {
		return err
	}
	signed, err := d.app.SignProof(in.Text)
	if err != nil {
		return err
	}
	known := client.StepupProof{Factor: "trade_password", Password: sealed}
	if err := d.app.SetPasskey(ctx, in.IntentID, in.Digest, browser, client.OTPProof(code), signed, known); err != nil {
		return fmt.Errorf("开通通行密钥: %w", err)
	}
	with := client.Quick{Phone: d.me.Phone, Method: device.ByPasskey, Passkey: browser}
	stolen := browser.Copy()
	if _, err := d.app.QuickLogin(ctx, with); err != nil {
		return fmt.Errorf("通行密钥登录: %w", err)
	}
	say("登录：设备密钥签名，加浏览器认证器识别本人后的签名")
	with.Passkey = stolen
	if _, err := d.app.QuickLogin(ctx, with); !errors.Is(err, &client.Problem{Code: "LOGIN_FAILED"}) {
		return unexpected("复制的通行密钥得到 %v", err)
	}
	say("复制的通行密钥：签名计数没有增长，登录被拒绝")
	_, err = d.app.IdentityMe(ctx)
	return err
}
