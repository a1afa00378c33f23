package bank

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/check"
)

// HandOut hands a dynamic token out to the customer. Its clock follows the bank's.
func (b *Bank) HandOut(t testing.TB, c seed.Customer, by token.Algorithm) client.Token {
	t.Helper()
	made := client.Token{Token: token.Token{Serial: fmt.Sprintf("TB%08d", b.people.Add(1)), Algorithm: by}, Now: b.Clock.Now}
	_, _ = rand.Read(made.Seed[:]) // never fails (crypto/rand)
	check.Must(t, b.Seeder().HandOut(t.Context(), c, made.Token))
	return made
}

// Token is a dynamic token of the payer that is in use.
func (p Pair) Token(t testing.TB) client.Token {
	t.Helper()
	made := p.HandOut(t, p.Payer, token.SM3)
	p.Exec(t, "UPDATE token SET state = 'active' WHERE serial = $1", made.Serial)
	return made
}

// Responded is the proof by a token's response to the challenge of the text.
func Responded(made client.Token, text string) stepup.Proof {
	return stepup.Proof{Factor: stepup.Token, Code: made.Response(text)}
}

// Ahead is the token with a clock that is ahead of the bank's.
func Ahead(made client.Token, by time.Duration) client.Token {
	now := made.Now
	made.Now = func() time.Time { return now().Add(by) }
	return made
}
