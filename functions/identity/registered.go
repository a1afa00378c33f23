package identity

import (
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/idno"
	"github.com/tidebank/tidebank/shared/ledger"
)

// Registered is what the bank has on record of a person, as a request names it.
type Registered struct{ Name, IDNo, CardNo, Phone string }

// Validate checks the form only. It refuses only values that no customer can have.
func (r Registered) Validate() error {
	_, validIDNo := idno.Canonical(r.IDNo)
	switch {
	case !customer.ValidName(r.Name):
		return bankerr.InvalidField("name", "no letter")
	case !ledger.CardNumber(r.CardNo):
		return bankerr.InvalidField("card_no", "not 12 to 19 digits")
	case !validIDNo:
		return bankerr.InvalidField("id_no", "no identity number: wrong length or check digit")
	case !customer.ValidPhone(r.Phone):
		return bankerr.InvalidField("phone", "not a mobile number")
	}
	return nil
}
