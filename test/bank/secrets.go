package bank

import (
	"fmt"
	"regexp"
	"strings"
)

// chance finds ids, digests and times, also times in milliseconds and numbers of slots, and a metric's time and decimal figure.
var chance = regexp.MustCompile(
	`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,}|\d{4}-\d\d-\d\d[T ][0-9:.]+|\d{9,}|(?:nanos:|sum:\d+\.|value:\d\.)\d+`)

// Shows reports whether a text holds a value in clear. Ids, digests, times and measures may
// hold any six digits by chance: a value of six characters is not searched in them.
func Shows(text, value string) bool {
	if !strings.Contains(text, value) {
		return false
	}
	return len(value) != 6 || strings.Contains(chance.ReplaceAllString(text, ""), value)
}

// Leaks lists the secrets of the bank's customers that a text shows in clear:
// passwords, names, and phone, identity and card numbers. Every test's log is checked
// with it when the test ends (AUDIT-005).
func (b *Bank) Leaks(text string) []string {
	secrets := map[string]string{
		"login password": LoginPassword, "trade password": TradePassword, "card password": CardPassword,
	}
	b.mu.Lock()
	for _, c := range b.known {
		secrets["name of "+c.ID.String()] = c.Name
		secrets["phone of "+c.ID.String()] = c.Phone
		secrets["identity number of "+c.ID.String()] = c.IDNo
		for i, a := range c.Accounts {
			secrets[fmt.Sprint("card ", i, " of ", c.ID)] = a.No
		}
	}
	b.mu.Unlock()
	var found []string
	for name, secret := range secrets {
		if Shows(text, secret) {
			found = append(found, name)
		}
	}
	return found
}
