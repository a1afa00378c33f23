package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/events"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/contract"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

func atCounter(w bank.Pair) counterOrder {
	return counterOrder{
		order: order{phone: w.Payer.Phone, reason: "applied", operator: "teller 7"}, identity: "identity card",
		notice: "2026-01", paper: "HT-7", account: w.Payee.Accounts[0].No, name: w.Payee.Name, byPhone: w.Payer.Phone,
	}
}

// The counter opens fund transactions only with an identity check, the risk notice in force and the number of
// the written confirmation. The contract and the access record name them.
func TestOpenAContractAtTheCounter(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-021.4")
	w := bank.UnsignedPair(t, 1_000_00)
	for flag, want := range map[string]error{"identity-check": errIdentity, "confirmation": errPaper} {
		c := openContractCommand()
		for name, value := range map[string]string{
			"phone": w.Payer.Phone, "identity-check": "identity card", "notice": "2026-01", "confirmation": "HT-7",
			"reason": "applied", "operator": "wang",
		} {
			if name == flag {
				value = " "
			}
			if err := c.Flags().Set(name, value); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.RunE(c, nil); !errors.Is(err, want) {
			t.Errorf("without --%s: %v", flag, err)
		}
	}
	o := atCounter(w)
	o.notice = "2025-01"
	if _, err := o.open(t.Context(), w.Host, o.order); !errors.Is(err, errNotice) {
		t.Errorf("an earlier notice: %v", err)
	}
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, "FUND_CONTRACT_MISSING")
	o = atCounter(w)
	trace, err := o.open(t.Context(), w.Host, o.order)
	if err != nil || trace == "" {
		t.Fatal(trace, err)
	}
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(1_00)))).Want(t, "")
	if n := w.Count(t, `SELECT count(*) FROM fund_contract WHERE customer_id = $1 AND way = 'counter' AND notice_version = '2026-01'
   AND identity_check = 'identity card' AND paper = 'HT-7' AND operator = 'teller 7'`, w.Payer.ID); n != 1 {
		t.Errorf("%d contracts", n)
	}
	if n := w.Count(t, `SELECT count(*) FROM outbox WHERE type = $1 AND data ->> 'function' = $2 AND data ->> 'reason' LIKE $3`,
		events.TypeAccessRecorded, contractFunction, "%(identity card)%notice 2026-01%paper HT-7%teller 7%"); n != 1 {
		t.Errorf("%d access records", n)
	}
	if _, err := o.open(t.Context(), w.Host, o.order); !errors.Is(err, contract.ErrOpen) {
		t.Errorf("a second contract: %v", err)
	}
	for _, missing := range []string{"identity_check", "paper", "operator", "notice_version"} {
		if _, err := w.Host.DB.Pool().Exec(t.Context(), `INSERT INTO fund_contract
SELECT (jsonb_populate_record(f, jsonb_build_object('customer_id', $1::text, $2::text,
        ''))).* FROM fund_contract f WHERE customer_id = $3`,
			w.Payee.ID.String(), missing, w.Payer.ID); err == nil || !strings.Contains(err.Error(), "fund_contract_way") {
			t.Errorf("a contract without %s: %v", missing, err)
		}
	}
}

// A payee is bound by number and holder. With the customer's number as the transaction phone the payee needs no contract.
func TestBindAPayeeAtTheCounter(t *testing.T) {
	t.Parallel()
	w := bank.UnsignedPair(t, 1_000_00)
	o := atCounter(w)
	o.name = w.Payer.Name
	if _, err := o.bind(t.Context(), w.Host, o.order); !errors.Is(err, errPayee) {
		t.Errorf("another holder: %v", err)
	}
	o = atCounter(w)
	o.byPhone = ""
	for _, want := range []string{"FUND_CONTRACT_MISSING", ""} {
		if _, err := o.bind(t.Context(), w.Host, o.order); err != nil {
			t.Fatal(err)
		}
		w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, want)
		o.byPhone = w.Payer.Phone
	}
	for name, spoil := range map[string]func(*counterOrder){
		"an account": func(o *counterOrder) { o.account = "62" }, "a phone": func(o *counterOrder) { o.byPhone = "1" },
		"a check": func(o *counterOrder) { o.identity = "" }, "a customer": func(o *counterOrder) { o.phone = "1" },
	} {
		bad := atCounter(w)
		if spoil(&bad); bad.checkPayee() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
