package confirm_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
)

// holder is a customer on one of the own devices, who has every factor.
type holder struct {
	facing
	proofs       map[stepup.Factor]func(*testing.T, transferprepare.Response) stepup.Proof
	fingerprints *sm.PrivateKey // of this device
}

// holders are two customers with two devices each.
func holders(t *testing.T) []holder {
	t.Helper()
	b := bank.New(t)
	engine := facetest.Start(t, b)
	people := []seed.Customer{b.Customer(t, "王小明", 900_000_00, 0), b.Customer(t, "周百万", 900_000_00, 0)}
	var list []holder
	for i, who := range people {
		p := bank.Pair{Bank: b, Payer: who, Payee: people[1-i]}
		held := p.Token(t)
		photo := engine.Photo(t, who)
		app, counter := p.SoftUKey(t, who, cert.InApp), p.SoftUKey(t, who, cert.AtCounter)
		for _, name := range []string{"phone-", "pad-"} {
			p.Phone = b.Device(t, name+string(rune('a'+i)))
			p.Phone.LoginAs(t, who)
			h := holder{facing: facing{fixture: fixture{p}, engine: engine, photo: photo}}
			shield := p.Phone.Shield(t, who)
			h.fingerprints = h.SetUnlockKey(t, device.ByFingerprint)
			h.proofs = map[stepup.Factor]func(*testing.T, transferprepare.Response) stepup.Proof{
				stepup.SMSOTP: func(t *testing.T, in transferprepare.Response) stepup.Proof {
					t.Helper()
					return stepup.Proof{Factor: stepup.SMSOTP, Code: h.otp(t, in)}
				},
				stepup.DeviceKey: func(t *testing.T, in transferprepare.Response) stepup.Proof {
					t.Helper()
					return h.Signed(t, in)
				},
				stepup.TradePassword: func(t *testing.T, _ transferprepare.Response) stepup.Proof {
					t.Helper()
					return h.Known(t)
				},
				stepup.Token: func(t *testing.T, in transferprepare.Response) stepup.Proof {
					t.Helper()
					return bank.Responded(held, in.Text)
				},
				stepup.Face: func(t *testing.T, in transferprepare.Response) stepup.Proof {
					t.Helper()
					return h.faced(t, in)
				},
				stepup.UnlockKey: func(t *testing.T, in transferprepare.Response) stepup.Proof {
					t.Helper()
					return unlocked(t, h.fingerprints, in)
				},
				stepup.SoftUKey: func(t *testing.T, in transferprepare.Response) stepup.Proof {
					t.Helper()
					return app.Signed(t, stepup.SoftUKey, in.Text)
				},
				stepup.PhoneShield: func(t *testing.T, in transferprepare.Response) stepup.Proof {
					t.Helper()
					return shield.Signed(t, stepup.PhoneShield, in.Text)
				},
				stepup.SoftUKeyCounter: func(t *testing.T, in transferprepare.Response) stepup.Proof {
					t.Helper()
					return counter.Signed(t, stepup.SoftUKeyCounter, in.Text)
				},
			}
			list = append(list, h)
		}
	}
	return list
}

// enter starts the holder's session, which ends the one on the customer's other device.
func (h holder) enter(t *testing.T) {
	t.Helper()
	check.Must(t, h.Host.Sessions.Start(t.Context(), h.Phone.Channel, h.Payer.ID))
	h.Phone.ReportClean(t, h.Payer.ID)
}

// alike are factors whose proofs have the same field. None passes for another.
var alike = [][]stepup.Factor{
	{stepup.SMSOTP, stepup.Token},
	{stepup.DeviceKey, stepup.UnlockKey},
	{stepup.SoftUKey, stepup.SoftUKeyCounter},
	{stepup.PhoneShield, stepup.SoftUKey},
}

// Over random pairs, a proof for one transfer, customer, device or method confirms no other. The
// same transfer then passes with its own proofs.
func TestAProofConfirmsNothingElse(t *testing.T) {
	t.Parallel()
	start := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(start, 0))
	t.Logf("random numbers from %d", start)
	list := holders(t)
	tried := map[stepup.Factor]int{}
	for range 48 {
		from, to := list[random.IntN(len(list))], list[random.IntN(len(list))]
		to.Advance(61 * time.Second) // a token's response is good once
		to.Relist(t)
		amount := money.Fen(1 + random.IntN(1000))
		from.enter(t)
		first := from.prepare(t, amount)
		wanted := slices.Sorted(slices.Values(stepup.Factors()))
		wanted = slices.DeleteFunc(wanted, func(f stepup.Factor) bool {
			return from.proofs[f] == nil || f == stepup.TradePassword && from.Phone == to.Phone // a password is for no transfer
		})
		stolen := wanted[random.IntN(len(wanted))]
		proof := from.proofs[stolen](t, first)
		to.enter(t)
		second := to.prepare(t, amount+money.Fen(random.IntN(2)))
		if kinds := slices.IndexFunc(alike, func(set []stepup.Factor) bool { return slices.Contains(set, stolen) }); kinds >= 0 &&
			random.IntN(3) == 0 { // a right proof of this transfer, given as another method
			set := alike[kinds]
			proof = to.proofs[set[0]](t, second)
			proof.Factor, stolen = set[1], set[1]
			if random.IntN(2) == 0 {
				proof = to.proofs[set[1]](t, second)
				proof.Factor, stolen = set[0], set[0]
			}
		}
		fits := slices.DeleteFunc(slices.Clone(second.Combinations), func(text string) bool {
			return !slices.Contains(stepup.ParseCombination(text), stolen)
		})
		if len(fits) == 0 {
			t.Fatalf("%s confirms nothing: %q", stolen, second.Combinations)
		}
		tried[stolen]++
		combination := stepup.ParseCombination(fits[random.IntN(len(fits))])
		var good, bad []stepup.Proof
		for _, f := range combination {
			right := to.proofs[f](t, second)
			good = append(good, right)
			if f == stolen {
				right = proof
			}
			bad = append(bad, right)
		}
		before := to.Count(t, "SELECT count(*) FROM transfer")
		want := "PROOF_REJECTED"
		if stolen == stepup.TradePassword { // it is sealed for the other channel
			want = "PASSWORD_UNSEALED"
		}
		if got := to.proven(t, second, bad...); got.Code != want {
			t.Errorf("%s of %s on %s for %s on %s: %d %q", stolen, from.Payer.Name, from.Phone.ID, to.Payer.Name, to.Phone.ID,
				got.Status, got.Code)
		}
		if n := to.Count(t, "SELECT count(*) FROM transfer"); n != before {
			t.Fatalf("%s: it was carried out", stolen)
		}
		to.proven(t, second, good...).Want(t, "")
	}
	t.Logf("tried %v", tried)
	list[0].CheckLedger(t)
}
