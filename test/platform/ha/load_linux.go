package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	loginPassword = "chaoxi-2026"
	tradePassword = "739164"
	cardPassword  = "851937"
	opening       = money.Fen(100_000_00)
	workers       = 8  // customers who transfer without end
	probes        = 30 // customers of whom each logs in once, to show that the bank serves
	giftsEach     = 4
	pace          = 100 * time.Millisecond
)

// person is a customer with the app on a phone.
type person struct {
	*client.Client
	seed.Customer
	lab   *lab
	live  bool // logged in
	coded bool // has asked for a code
	gifts int  // transfers to other customers
}

// order is a transfer that a customer has ordered, with what the bank answered.
type order struct {
	key           string
	intent        uuid.UUID
	debit, credit uuid.UUID
	amount        money.Fen
	acknowledged  []uuid.UUID // different transfers that the bank named; one is right
	at            time.Time   // of the first acknowledgement
}

// load is the customers and everything that they have ordered.
type load struct {
	people []*person // workers first
	probe  int

	mu       sync.Mutex
	orders   []*order
	troubles map[string]int // of the customers, for the reader of the output
}

// newPerson writes a customer into the bank, as if they had signed up a week ago.
func (l *lab) newPerson(ctx context.Context, s seed.Seeder, pin *sm.PublicKey, n int) (*person, error) {
	key, err := sm.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("device: %w", err)
	}
	public, err := key.Public().Marshal()
	if err != nil {
		return nil, fmt.Errorf("device: %w", err)
	}
	c, err := s.Add(ctx, seed.Made("王小明", int64(n), opening, opening))
	if err != nil {
		return nil, err
	}
	device := fmt.Sprintf("phone-number-%d", n)
	if err := s.SignUp(ctx, c, loginPassword, tradePassword, device, public); err != nil {
		return nil, err
	}
	return &person{lab: l, Customer: c, Client: client.New(client.Config{
		BaseURL: "http://" + l.address("edge"), DeviceID: device, Device: key, Pinned: pin,
		Tries: 3, Pause: 100 * time.Millisecond, HTTP: &http.Client{Timeout: 10 * time.Second},
	})}, nil
}

var sixDigits = regexp.MustCompile(`验证码(\d{6})`)

// login logs in with the code that comes by text message.
func (p *person) login(ctx context.Context) error {
	asked := time.Now()
	err := p.SendOTP(ctx, "login", p.Phone, client.Captcha{})
	p.coded = err == nil || errors.Is(err, &client.Problem{Code: "OTP_TOO_OFTEN"})
	if err != nil {
		return fmt.Errorf("code: %w", err)
	}
	var code string
	err = await(ctx, 15*time.Second, "text message", func(context.Context) error {
		for _, m := range p.lab.sms.Inbox(p.Phone) {
			match := sixDigits.FindStringSubmatch(m.Text)
			if match != nil && strings.Contains(m.Text, "登录") && !m.At.Before(asked) {
				code = match[1]
				return nil
			}
		}
		return errors.New("no code came")
	})
	if err != nil {
		return err
	}
	if _, err := p.Login(ctx, p.Phone, loginPassword, code); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	p.live = true
	return nil
}

// prepare orders a transfer to the own other account, or to another customer with the
// trade password. There are few of the latter: fraud-on-transfer grades a customer up who
// sends many in an hour.
func (p *person) prepare(ctx context.Context) (*order, client.TransferConfirmRequest, error) {
	from := rand.IntN(2)
	o := &order{
		key: uuid.NewString(), debit: p.AccountIDs[from], credit: p.AccountIDs[1-from],
		amount: money.Fen(1 + rand.IntN(100)),
	}
	request := client.TransferPrepareRequest{DebitAccountID: o.debit, PayeeAccountID: &o.credit, Amount: o.amount}
	foreign := p.gifts < giftsEach && rand.IntN(5) == 0
	if foreign {
		payee := p.lab.load.people[rand.IntN(workers)]
		if foreign = payee != p; foreign {
			p.gifts++
			o.credit = payee.AccountIDs[0]
			request.PayeeAccountID, request.PayeeAccountNo, request.PayeeName = nil, payee.Accounts[0].No, payee.Name
		}
	}
	var confirm client.TransferConfirmRequest
	in, err := p.TransferPrepare(ctx, request)
	if err != nil {
		return nil, confirm, fmt.Errorf("prepare: %w", err)
	}
	o.intent = in.IntentID
	signed, err := p.SignProof(in.Text)
	if err != nil {
		return nil, confirm, err
	}
	confirm = client.TransferConfirmRequest{IntentID: in.IntentID, Proofs: []client.StepupProof{signed}}
	if foreign {
		known, err := p.PasswordProof(ctx, tradePassword)
		if err != nil {
			return nil, confirm, fmt.Errorf("trade password: %w", err)
		}
		confirm.Proofs = append(confirm.Proofs, known)
	}
	p.lab.load.add(o)
	return o, confirm, nil
}

// transfer orders a transfer and confirms it under one key until the bank has answered,
// or ctx ends. A customer whose login has ended logs in again, and sends the same order.
func (p *person) transfer(ctx context.Context) error {
	o, confirm, err := p.prepare(ctx)
	if err != nil {
		return err
	}
	for {
		made, err := p.TransferConfirm(ctx, o.key, confirm)
		var refused *client.Problem
		switch {
		case err == nil:
			p.lab.load.acknowledge(o, made.TransferID)
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("confirm: %w", err)
		case errors.As(err, &refused) && refused.Code == "SESSION_REQUIRED":
			if err := p.again(ctx); err != nil {
				return err
			}
		case errors.As(err, &refused) && refused.Status < 500 && refused.Code != "REQUEST_IN_PROGRESS" &&
			refused.Code != "FRAME_REPLAYED":
			return fmt.Errorf("confirm: %w", err)
		}
	}
}

// again logs in again. A code may be asked for once a minute.
func (p *person) again(ctx context.Context) error {
	p.live = false
	return await(ctx, 2*time.Minute, "log in again", p.login)
}

// day is a customer's day: one transfer after another until ctx ends. The last order is
// carried through.
func (p *person) day(ctx context.Context) {
	for ctx.Err() == nil {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Minute)
		err := p.transfer(own)
		if err != nil && (!p.live || errors.Is(err, &client.Problem{Code: "SESSION_REQUIRED"})) {
			err = p.again(own)
		}
		cancel()
		wait := pace
		if err != nil {
			p.lab.load.trouble(err)
			wait = 5 * pace
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (ld *load) add(o *order) {
	ld.mu.Lock()
	defer ld.mu.Unlock()
	ld.orders = append(ld.orders, o)
}

func (ld *load) acknowledge(o *order, id uuid.UUID) {
	ld.mu.Lock()
	defer ld.mu.Unlock()
	if len(o.acknowledged) == 0 {
		o.at = time.Now()
	}
	if len(o.acknowledged) == 0 || o.acknowledged[0] != id {
		o.acknowledged = append(o.acknowledged, id)
	}
}

// trouble keeps the reason why a customer's transfer did not go through.
func (ld *load) trouble(err error) {
	ld.mu.Lock()
	defer ld.mu.Unlock()
	text := err.Error()
	var refused *client.Problem
	if errors.As(err, &refused) {
		text = fmt.Sprint(refused.Status, " ", refused.Code, " ", refused.Combinations, refused.Missing)
	}
	ld.troubles[text[:min(len(text), 100)]]++
}

// tell prints the troubles, and forgets them.
func (ld *load) tell() {
	ld.mu.Lock()
	defer ld.mu.Unlock()
	for text, n := range ld.troubles {
		say("  customers met %d times: %s", n, text)
	}
	clear(ld.troubles)
}
