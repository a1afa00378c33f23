package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/localstack/devapi"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
)

// Passwords of every customer.
const (
	loginPassword = "haichao-88x"
	tradePassword = "739164"
)

// counts notes the calls of all customers, as the network sees them.
type counts struct {
	think  time.Duration // how long a customer waits before each call
	mu     sync.Mutex
	calls  map[string]int // by function
	failed map[string]int // by function and what was wrong
}

func newCounts() *counts { return &counts{calls: map[string]int{}, failed: map[string]int{}} }

// note takes one call. A call fails if the network or the platform fails it: no answer,
// or a status that says that the service was not there.
func (c *counts) note(function string, resp *http.Response, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[function]++
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		c.failed[function+": "+last(err.Error(), 1)]++
	case err == nil && resp.StatusCode >= http.StatusInternalServerError:
		how := "in clear"
		if resp.Header.Get("Content-Type") == channel.MediaType {
			how = "sealed"
		}
		c.failed[fmt.Sprintf("%s: %d %s", function, resp.StatusCode, how)]++
	}
}

// byFunction copies the number of calls of each function.
func (c *counts) byFunction() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

func (c *counts) sum() (calls, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.calls {
		calls += n
	}
	for _, n := range c.failed {
		failed += n
	}
	return calls, failed
}

// problem is an error if a call has failed.
func (c *counts) problem() error {
	calls, failed := c.sum()
	c.mu.Lock()
	defer c.mu.Unlock()
	if failed > 0 {
		return fmt.Errorf("%d of %d calls failed: %v", failed, calls, c.failed)
	}
	return nil
}

// counted notes each call that a customer makes.
type counted struct {
	to    http.RoundTripper
	notes *counts
}

// RoundTrip implements http.RoundTripper.
func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := pause(r.Context(), c.notes.think); err != nil {
		return nil, err
	}
	resp, err := c.to.RoundTrip(r)
	c.notes.note(strings.TrimPrefix(r.URL.Path, "/function/"), resp, err)
	return resp, err
}

// customer is a customer with an app, who calls from an address of their own.
type customer struct {
	*client.Client
	devapi.Person
	api       devapi.API
	transport *counted
	debit     client.AccountView
	payee     devapi.Person
}

// newCustomer makes a customer who is logged in. tries is how often the app repeats a
// call whose outcome is unknown.
func newCustomer(ctx context.Context, i, tries int, notes *counts) (*customer, error) {
	c := &customer{api: devapi.API{Base: bankURL}}
	var err error
	if c.Person, err = c.api.NewCustomer(ctx); err != nil {
		return nil, err
	}
	if c.payee, err = c.api.NewCustomer(ctx); err != nil {
		return nil, err
	}
	der, err := c.api.Certificate(ctx)
	if err != nil {
		return nil, err
	}
	pinned, err := sm.CertificateKey(der, time.Now())
	if err != nil {
		return nil, err
	}
	device, err := sm.GenerateKey()
	if err != nil {
		return nil, err
	}
	c.transport = &counted{to: from(clientAddress(i)), notes: notes}
	c.Client = client.New(client.Config{
		BaseURL: bankURL, DeviceID: "test-" + uuid.NewString(), Device: device, Pinned: pinned, Tries: tries,
		HTTP: &http.Client{Transport: c.transport, Timeout: 40 * time.Second},
	})
	if err := c.register(ctx); err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	if err := c.login(ctx); err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	return c, c.look(ctx)
}

// noting lets a customer's later calls be noted elsewhere.
func (c *customer) noting(notes *counts, i int) *customer {
	*c.transport = counted{to: from(clientAddress(i)), notes: notes}
	return c
}

// from calls from one address of the node.
func from(ip string) *http.Transport {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 10 * time.Second}
	return &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 16, IdleConnTimeout: 10 * time.Second}
}

func (c *customer) register(ctx context.Context) error {
	code, err := c.code(ctx, "register", "开通")
	if err != nil {
		return err
	}
	return c.Register(ctx, client.Application{
		Name: c.Name, IDNo: c.IDNo, CardNo: c.CardNo, CardPassword: c.CardPassword, Phone: c.Phone, OTP: code,
		LoginPassword: loginPassword, TradePassword: tradePassword,
	})
}

func (c *customer) login(ctx context.Context) error {
	code, err := c.code(ctx, "login", "登录")
	if err != nil {
		return err
	}
	_, err = c.Login(ctx, c.Phone, loginPassword, code)
	return err
}

// code asks for a code with a solved graphic code, and reads it.
func (c *customer) code(ctx context.Context, purpose, word string) (string, error) {
	code, _, err := c.api.Code(ctx, c.Phone, word, func() error {
		issued, err := c.CaptchaIssue(ctx)
		if err != nil {
			return err
		}
		answer, err := c.api.Captcha(ctx, issued.CaptchaID)
		if err != nil {
			return err
		}
		return c.SendOTP(ctx, purpose, c.Phone, client.Captcha{ID: issued.CaptchaID, Answer: answer})
	})
	return code, err
}

// look finds the account with the most money.
func (c *customer) look(ctx context.Context) error {
	o, err := c.AccountOverview(ctx)
	if err != nil {
		return err
	}
	for _, a := range o.Accounts {
		if a.Balance >= c.debit.Balance {
			c.debit = a
		}
	}
	return nil
}

// pay transfers one yuan. An attempt whose outcome is unknown is repeated by the client
// with the same key.
func (c *customer) pay(ctx context.Context) (client.TransferView, error) {
	intent, err := c.prepare(ctx)
	if err != nil {
		return client.TransferView{}, fmt.Errorf("prepare: %w", err)
	}
	return c.confirm(ctx, intent)
}

func (c *customer) prepare(ctx context.Context) (client.TransferPrepareReply, error) {
	return c.TransferPrepare(ctx, client.TransferPrepareRequest{
		DebitAccountID: c.debit.AccountID, PayeeAccountNo: c.payee.CardNo, PayeeName: c.payee.Name, Amount: money.Fen(100), Memo: "茶",
	})
}

func (c *customer) confirm(ctx context.Context, intent client.TransferPrepareReply) (client.TransferView, error) {
	signed, err := c.SignProof(intent.Text)
	if err != nil {
		return client.TransferView{}, err
	}
	password, err := c.PasswordProof(ctx, tradePassword)
	if err != nil {
		return client.TransferView{}, err
	}
	made, err := c.TransferConfirm(ctx, "", client.TransferConfirmRequest{
		IntentID: intent.IntentID, Proofs: []client.StepupProof{signed, password},
	})
	if err != nil {
		return made, fmt.Errorf("confirm: %w", err)
	}
	return made, nil
}

// round calls every function that a customer uses while logged in.
func (c *customer) round(ctx context.Context) (made client.TransferView, err error) {
	if made, err = c.pay(ctx); err != nil {
		return made, err
	}
	for _, call := range []func() error{
		func() error { _, err := c.IdentityMe(ctx); return err },
		func() error { return c.look(ctx) },
		func() error {
			_, err := c.AccountDetail(ctx, client.AccountDetailRequest{AccountID: c.debit.AccountID})
			return err
		},
		func() error {
			_, err := c.AccountStatement(ctx, client.AccountStatementRequest{AccountID: c.debit.AccountID})
			return err
		},
		func() error {
			_, err := c.AccountAliasSet(ctx, client.AccountAliasSetRequest{AccountID: c.debit.AccountID, Alias: "零用钱"})
			return err
		},
		func() error {
			_, err := c.TransferGet(ctx, client.TransferGetRequest{TransferID: made.TransferID})
			return err
		},
		func() error { _, err := c.TransferList(ctx, client.TransferListRequest{}); return err },
		func() error { _, err := c.MessageList(ctx, client.MessageListRequest{}); return err },
		func() error { _, err := c.MessageRead(ctx, client.MessageReadRequest{All: true}); return err },
		func() error { _, err := c.ChannelCertificates(ctx); return err },
		func() error { _, err := c.CaptchaIssue(ctx); return err },
		func() error {
			return post(ctx, &http.Client{Transport: c.transport}, bankURL+"/function/channel-captcha", "{}",
				http.Header{"Content-Type": {"application/json"}}, http.StatusOK)
		},
	} {
		if err := call(); err != nil {
			return made, err
		}
	}
	return made, nil
}
