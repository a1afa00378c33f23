package otp

import "github.com/tidebank/tidebank/shared/sm"

// Quota bounds the codes of a number and a purpose: a pause between two codes, and a
// maximum in any 24 hours. Who may use a quota up decides whom it can hurt: a stranger
// must not use up the codes of a customer's own devices, or the codes for intents.
type Quota struct {
	scope   string
	who     []byte
	maximum string // name of the figure in the policy
}

// OwnQuota bounds the codes for the intents of the number's own customer.
func OwnQuota() Quota { return Quota{scope: "own", maximum: "otp.day_max"} }

// KnownQuota bounds the codes before login of a device that proved the key that the
// number's customer has bound on it; origin is its digest (shared/device).
func KnownQuota(origin []byte) Quota {
	return Quota{scope: "device", who: origin, maximum: "otp.day_max"}
}

// UnknownQuotas bound the codes before login of all unknown devices together, and of
// those at one network address. The address alone can't use up the whole number.
func UnknownQuotas(addressGroup string) []Quota {
	return []Quota{
		{scope: "address", who: []byte(addressGroup), maximum: "otp.address_day_max"},
		{scope: "unknown", maximum: "otp.unknown_day_max"},
	}
}

// digest names the quota of a challenge in the table.
func (q Quota) digest(c Challenge) []byte {
	zero := []byte{0}
	return sm.Digest([]byte(q.scope), zero, []byte(c.Purpose), zero, c.Phone, q.who)
}
