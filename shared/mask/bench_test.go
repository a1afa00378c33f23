package mask_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/mask"
)

// The reply of a transfer: ids, times, amounts, masked names and a status.
const reply = `{"order_id":"01936000-0000-7000-8000-138000056789","status":"succeeded","amount_fen":12345600,"fee_fen":0,` +
	`"currency":"CNY","payer_masked":"**明","payer_no_masked":"622848*********0011","payee_masked":"*四",` +
	`"payee_no_masked":"622848*********0021","payee_code":"KX4F-93PA","memo":"房租 11 月","posted_at":"2026-11-23T10:00:00.123456+08:00",` +
	`"debit":{"entry_id":"01936000-0000-7000-8000-138000056790","seq":1234,"balance_after_fen":987654321,"available_fen":987654321},` +
	`"receipt":{"lines":["向 *四 转账 123,456.00 元","收款账号：622848*********0021","附言：房租 11 月"],"text":"转账成功，预计实时到账"}}`

func BenchmarkLeaks(b *testing.B) {
	text := []byte(reply)
	b.ReportAllocs()
	for b.Loop() {
		if mask.Leaks(text) {
			b.Fatal("leaks")
		}
	}
}

func BenchmarkText(b *testing.B) {
	for b.Loop() {
		mask.Text("房租 11 月，第 3 期，谢谢")
	}
}
