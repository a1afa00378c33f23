package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/devapi"
)

// number proves the reserved number by a text from it, and by the code of a call.
func (d *demo) number(ctx context.Context) error {
	if err := d.byUplink(ctx); err != nil {
		return err
	}
	return d.byCall(ctx)
}

// small prepares a transfer of 0.01.
func (d *demo) small(ctx context.Context) (client.TransferPrepareReply, error) {
	in, err := d.app.TransferPrepare(ctx, client.TransferPrepareRequest{
		DebitAccountID: d.debit.AccountID, PayeeAccountNo: d.payee.CardNo, PayeeName: d.payee.Name, Amount: 1,
	})
	if err != nil {
		return in, fmt.Errorf("准备转账: %w", err)
	}
	return in, nil
}

// confirmBy confirms a transfer by the proof and the device's key.
func (d *demo) confirmBy(ctx context.Context, in client.TransferPrepareReply, proof client.StepupProof) error {
	signed, err := d.app.SignProof(in.Text)
	if err != nil {
		return err
	}
	_, err = d.app.TransferConfirm(ctx, "", client.TransferConfirmRequest{
		IntentID: in.IntentID, Proofs: []client.StepupProof{proof, signed},
	})
	if err != nil {
		return fmt.Errorf("确认: %w", err)
	}
	return nil
}

func (d *demo) byUplink(ctx context.Context) error {
	in, err := d.small(ctx)
	if err != nil {
		return err
	}
	shown, err := d.app.Uplink(ctx, in.IntentID)
	if errors.Is(err, &client.Problem{Code: "UPLINK_CLOSED"}) {
		say("本行没有上行短信号码")
		return nil
	}
	if err != nil {
		return fmt.Errorf("上行短信: %w", err)
	}
	say("请用预留手机号发送 %s 到 %s", shown.UplinkText, shown.UplinkNumber)
	if taken, err := d.dev.Uplink(ctx, d.payee.Phone, shown.UplinkText); err != nil || taken {
		return unexpected("他人号码发送的短信得到 %v %v", taken, err)
	}
	if taken, err := d.dev.Uplink(ctx, d.me.Phone, shown.UplinkText); err != nil || !taken {
		return unexpected("预留号码发送的短信得到 %v %v", taken, err)
	}
	told, err := d.app.IntentStatus(ctx, in.IntentID, "uplink")
	if err != nil {
		return fmt.Errorf("状态: %w", err)
	}
	say("%s", told.Advice)
	return d.confirmBy(ctx, in, client.UplinkProof())
}

func (d *demo) byCall(ctx context.Context) error {
	in, err := d.small(ctx)
	if err != nil {
		return err
	}
	if err := d.app.SendIntentCall(ctx, in.IntentID); err != nil {
		return fmt.Errorf("语音验证码: %w", err)
	}
	var told client.OTPStatusReply
	err = devapi.Until(ctx, "等待语音电话", func() (bool, error) {
		told, err = d.app.IntentStatus(ctx, in.IntentID, "voice")
		return told.State != "sending", err
	})
	if err != nil {
		return err
	}
	if told.State != "sent" {
		say("%s", told.Advice)
		return nil
	}
	said, err := d.dev.Calls(ctx, d.me.Phone)
	if err != nil || len(said) == 0 {
		return unexpected("没有电话: %v", err)
	}
	say("电话：%s", said[0])
	return d.confirmBy(ctx, in, client.VoiceProof(devapi.SpokenCode(said[0])))
}
