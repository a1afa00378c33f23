package contractopen_test

import (
	"testing"

	"github.com/google/uuid"

	identitycontractopen "github.com/tidebank/tidebank/functions/identity/contractopen"
	identitycontractprepare "github.com/tidebank/tidebank/functions/identity/contractprepare"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// unsigned is a pair whose payer has no contract for fund transactions.
func unsigned(t *testing.T) bank.Pair {
	t.Helper()
	return bank.UnsignedPair(t, 1_000_00)
}

func prepare(t *testing.T, w bank.Pair) (in identitycontractprepare.Response) {
	t.Helper()
	w.Phone.Call(t, identitycontractprepare.Function, "", struct{}{}).Into(t, &in)
	return in
}

func open(t *testing.T, w bank.Pair, in identitycontractprepare.Response, notice []byte, proofs ...stepup.Proof) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitycontractopen.Function, uuid.NewString(), identitycontractopen.Request{
		Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: proofs}, NoticeDigest: notice,
	})
}

// wantClosed checks that the customer still pays nobody else.
func wantClosed(t *testing.T, w bank.Pair) {
	t.Helper()
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, "FUND_CONTRACT_MISSING")
	if n := w.Count(t, "SELECT count(*) FROM fund_contract WHERE customer_id = $1", w.Payer.ID); n != 0 {
		t.Errorf("%d contracts", n)
	}
	if n := w.Count(t, "SELECT count(*) FROM posting WHERE kind = 'transfer'"); n != 0 {
		t.Errorf("%d transfers", n)
	}
}

// The preparation answers with the notice in force. Codes, device key and passwords open nothing, nor does a
// certificate without the confirmation of the notice. With both, the contract is stored with the notice's
// version and the signature, and the customer pays others.
func TestAnApplicationByCertificate(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-021.2", "AUTH-021.3", "RISK-005.1", "RISK-005.2", "RISK-005.3")
	w := unsigned(t)
	w.Phone.Call(t, identitycontractprepare.Function, "", struct{}{}).Want(t, "STEPUP_STRONGER") // without a certificate
	key := w.SoftUKey(t, w.Payer, cert.InApp)
	in := prepare(t, w)
	stored := check.Value[string](t, w.Host.DB.Pool(), "SELECT text FROM risk_notice WHERE version = $1", in.Version)
	if in.Version != "2026-01" || in.Notice != stored || string(in.NoticeDigest) != string(sm.Digest([]byte(in.Notice))) {
		t.Errorf("%+v", in)
	}
	code, signed := w.CodeFor(t, in.IntentID), w.Phone.SignedText(t, in.Text)
	open(t, w, in, in.NoticeDigest, code).Want(t, "STEPUP_STRONGER")
	open(t, w, in, in.NoticeDigest, code, signed, w.Known(t)).Want(t, "STEPUP_STRONGER")
	byCert := key.Signed(t, stepup.SoftUKey, in.Text)
	open(t, w, in, in.NoticeDigest, byCert).Want(t, "STEPUP_STRONGER")
	open(t, w, in, []byte{}, byCert, w.Known(t)).Want(t, "WARNING_UNACKNOWLEDGED")
	open(t, w, in, check.Flip(in.NoticeDigest, 3), byCert, w.Known(t)).Want(t, "WARNING_UNACKNOWLEDGED")
	wantClosed(t, w)

	var reply identitycontractopen.Response
	open(t, w, in, in.NoticeDigest, byCert, w.Known(t)).Into(t, &reply)
	if !reply.Open || reply.Version != in.Version {
		t.Errorf("%+v", reply)
	}
	if n := w.Count(t, `SELECT count(*) FROM fund_contract WHERE customer_id = $1 AND way = 'signature' AND notice_version = $2
   AND evidence_id = $3`, w.Payer.ID, in.Version, in.IntentID); n != 1 {
		t.Errorf("%d contracts with the notice's version and the evidence", n)
	}
	record, err := evidence.Read(t.Context(), w.Host.DB.Reader(), w.Host.Keys, in.IntentID)
	check.Must(t, err)
	if record.Text != in.Text {
		t.Errorf("the customer has signed %q", record.Text)
	}
	check.Must(t, record.Verify(w.Host.Roots, w.Host.Keys))
	w.Confirm(t, w.Proved(t, w.Prepare(t, w.ToPayee(1_00)))).Want(t, "")
	w.Phone.Call(t, identitycontractprepare.Function, "", struct{}{}).Want(t, "FUND_CONTRACT_OPEN")
	w.CheckLedger(t)
}

// An application that was prepared with an earlier notice is refused. Two applications make one contract.
func TestTheNoticeInForce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "RISK-005.1", "RISK-005.2", "RISK-005.3")
	w := unsigned(t)
	key := w.SoftUKey(t, w.Payer, cert.InApp)
	early := prepare(t, w)
	w.Exec(t, `INSERT INTO risk_notice (version, text, valid_from, proposed_by, approved_by)
VALUES ('2026-11', 'new risks', $1, 'one', 'another'), ('2027-01', 'risks to come', $2, 'one', 'another')`,
		w.Clock.Now(), w.Clock.Now().AddDate(0, 1, 0))
	by := func(in identitycontractprepare.Response, notice []byte) bank.Reply {
		return open(t, w, in, notice, key.Signed(t, stepup.SoftUKey, in.Text), w.Known(t))
	}
	by(early, early.NoticeDigest).Want(t, "WARNING_UNACKNOWLEDGED")
	by(early, sm.Digest([]byte("new risks"))).Want(t, "WARNING_UNACKNOWLEDGED")
	wantClosed(t, w)
	in, other := prepare(t, w), prepare(t, w)
	if in.Version != "2026-11" || in.Notice != "new risks" {
		t.Errorf("%+v", in)
	}
	by(in, early.NoticeDigest).Want(t, "WARNING_UNACKNOWLEDGED")
	by(in, in.NoticeDigest).Want(t, "")
	by(other, other.NoticeDigest).Want(t, "FUND_CONTRACT_OPEN")
	if n := w.Count(t, "SELECT count(*) FROM fund_contract WHERE customer_id = $1 AND notice_version = '2026-11'", w.Payer.ID); n != 1 {
		t.Errorf("%d contracts", n)
	}
}
