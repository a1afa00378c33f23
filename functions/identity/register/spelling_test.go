package register_test

import (
	"testing"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/test/check"
)

// An applicant may write name, identity number and card as people do. A number with a
// wrong check digit is a typing error, and a text without a letter is no name: each is
// refused before a try is counted.
func TestApplicantsWriteTheirNumbersAsTheyDo(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var err error
	w.wang, err = w.Seeder().Add(t.Context(), seed.Made("买买提·吐尔逊", 2, 0))
	check.Must(t, err)
	r := w.right(t, w.ask(t))
	r.Name, r.CardNo, r.Phone = "买买提.吐尔逊\u200b", "６２２８–4800 0000.0020 001", "+86 138 1001 5838"
	for range 10 {
		r.IDNo = "110101199003070021"
		refused := w.apply(t, r)
		if refused.Want(t, "INPUT_INVALID"); refused.Problem.Field != "id_no" {
			t.Errorf("%s is named", refused.Problem.Field)
		}
	}
	r.IDNo = "110101 19900307 002x"
	name := r.Name
	for _, r.Name = range []string{"\u202e", "\u3164", "\u2800", "\ufe0f", "\u180e", "\u0301", "\U000E0001", "12345", "\u3164", "·"} {
		refused := w.apply(t, r)
		if refused.Want(t, "INPUT_INVALID"); refused.Problem.Field != "name" {
			t.Errorf("%+q: %s is named", r.Name, refused.Problem.Field)
		}
	}
	card := r.CardPassword
	for _, none := range []string{"", "abc", "8519377"} {
		r.Name, r.CardPassword = name, w.phone.Password(t, none)
		refused := w.apply(t, r)
		if refused.Want(t, "INPUT_INVALID"); refused.Problem.Field != "card_password" {
			t.Errorf("%q: %s is named", none, refused.Problem.Field)
		}
	}
	r.CardPassword, r.TradePassword = card, w.phone.Password(t, "７３９１６４")
	r.Name = "\u202a" + name + "\u202c"
	w.apply(t, r).Want(t, "")
	w.wantSignedUp(t, 1)
}
