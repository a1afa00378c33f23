package chaos

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/functions/fraud"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/local"
	"github.com/tidebank/tidebank/test/req"
)

const (
	slowConnections = 100
	crossTransfers  = 12 // each way; more in an hour raise the payer's risk grade
	rounds          = 8  // of the other customer's calls
)

// attack sends hostile requests to an instance while other customers use it.
type attack struct {
	address              string
	malformed, oversized atomic.Int64
}

// leaveNight moves the bank's clock to the morning: at night, many transfers raise a
// customer's risk grade (functions/fraud).
func leaveNight(t *testing.T, instance *local.Instance) {
	t.Helper()
	now := time.Now().In(clock.Shanghai)
	if now.Hour() >= fraud.NightUntil {
		return
	}
	morning := time.Date(now.Year(), now.Month(), now.Day(), fraud.NightUntil, 1, 0, 0, clock.Shanghai)
	_, err := instance.Dev().Advance(t.Context(), morning.Sub(now))
	check.Must(t, err)
}

// While somebody sends malformed, oversized and never ending requests to every
// function, and two customers pay each other at once, a third gets a correct reply
// to each call.
func TestOthersAreServedDuringAnAttack(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AVAIL-012.1")
	bank := local.New(t)
	instance := bank.Start(t)
	leaveNight(t, instance)
	payers := []*local.App{bank.Customer(t, instance), bank.Customer(t, instance)}
	other := bank.Customer(t, instance)
	crossing := [2][]*order{crossOrders(t, payers[0], payers[1]), crossOrders(t, payers[1], payers[0])}

	a := &attack{address: strings.TrimPrefix(instance.Dev().Base, "http://")}
	slow := a.hang(t)
	ctx, stop := context.WithCancel(t.Context())
	var attackers, cross sync.WaitGroup
	for n := range 4 {
		attackers.Go(func() { a.send(ctx, n) })
	}
	for _, orders := range crossing {
		cross.Go(func() {
			for _, o := range orders {
				o.confirm(t)
			}
		})
	}
	for n := range rounds {
		use(t, other)
		if n == 2 { // long before the server gives them up
			stillOpen(t, slow)
		}
	}
	cross.Wait()
	check.Until(t, "200 malformed and 50 oversized requests are answered", func() bool {
		return a.malformed.Load() >= 200 && a.oversized.Load() >= 50
	})
	stop()
	attackers.Wait()
	for _, orders := range crossing {
		for _, o := range orders {
			if len(o.answers) != 1 {
				t.Errorf("a cross transfer was refused: %v", o.refused)
			}
		}
	}
	settled(t, bank)
	sound(t, bank)
}

// crossOrders prepares transfers from one customer to the other.
func crossOrders(t *testing.T, from, to *local.App) []*order {
	t.Helper()
	var orders []*order
	for range crossTransfers {
		in, err := from.TransferPrepare(t.Context(), client.TransferPrepareRequest{
			DebitAccountID: overview(t, from)[0].AccountID, PayeeAccountNo: to.Person.CardNo, PayeeName: to.Person.Name, Amount: 1_00,
		})
		check.Must(t, err)
		signature, err := from.SignProof(in.Text)
		check.Must(t, err)
		password, err := from.PasswordProof(t.Context(), local.TradePassword)
		check.Must(t, err)
		orders = append(orders, &order{
			app: from, key: uuid.NewString(), intent: in, proofs: []client.StepupProof{signature, password},
			answers: map[uuid.UUID]int{}, refused: map[string]int{},
		})
	}
	return orders
}

// use calls as a customer does, and checks each reply.
func use(t *testing.T, app *local.App) {
	t.Helper()
	before := overview(t, app)
	o := ordered(t, app, client.TransferPrepareRequest{
		DebitAccountID: before[0].AccountID, PayeeAccountID: &before[1].AccountID, Amount: 3_21,
	}, false)
	made, err := app.TransferConfirm(t.Context(), o.key, o.request())
	check.Must(t, err)
	after := overview(t, app)
	if after[0].Balance != before[0].Balance-3_21 || after[1].Balance != before[1].Balance+3_21 {
		t.Errorf("balances %v, before the transfer %v", after, before)
	}
	page, err := app.AccountStatement(t.Context(), client.AccountStatementRequest{AccountID: before[0].AccountID})
	check.Must(t, err)
	if len(page.Entries) == 0 || page.Entries[0].PostingID != made.TransferID || page.Entries[0].Amount != -3_21 {
		t.Errorf("the statement does not begin with transfer %s: %+v", made.TransferID, page.Entries)
	}
}

// hang opens connections that begin a request and do not end it.
func (a *attack) hang(t *testing.T) []net.Conn {
	t.Helper()
	var open []net.Conn
	for n := range slowConnections {
		conn, err := net.Dial("tcp", a.address)
		check.Must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		begun := "POST /function/identity-login HTTP/1.1\r\nHost: bank\r\nContent-Le"
		if n%2 == 0 {
			begun += "ngth: 1000\r\n\r\nhalf a bo"
		}
		_, err = conn.Write([]byte(begun))
		check.Must(t, err)
		open = append(open, conn)
	}
	return open
}

// stillOpen fails the test unless the server waits for the rest of each request.
func stillOpen(t *testing.T, slow []net.Conn) {
	t.Helper()
	for _, conn := range slow {
		check.Must(t, conn.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
		if _, err := conn.Read(make([]byte, 1)); !os.IsTimeout(err) {
			t.Errorf("a slow request ended: %v", err)
		}
	}
}

// send posts noise to each function in turn, until ctx ends.
func (a *attack) send(ctx context.Context, worker int) {
	all := functions.All()
	for n := worker; ctx.Err() == nil; n++ {
		body, count := noise(rand.IntN(2000)), &a.malformed
		if n%4 == 0 {
			body, count = noise(1<<20), &a.oversized
		}
		url := fmt.Sprintf("http://%s/function/%s", a.address, all[n%len(all)].Spec.Name)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return
		}
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			continue // cut off when the answer came before the end of the body
		}
		_ = resp.Body.Close() // the status is all that counts
		if resp.StatusCode >= 400 {
			count.Add(1)
		}
	}
}

func noise(n int) []byte {
	body := make([]byte, n)
	for i := range body {
		body[i] = byte(rand.Uint32())
	}
	return body
}
