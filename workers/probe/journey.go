package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
)

// prober tries the bank as one customer. Its rounds follow one another.
type prober struct {
	config   Config
	customer Customer
	app      *client.Client
	http     *http.Client
	clock    clock.Clock
	log      *slog.Logger
	results  *results
	targets  []target

	login, transfer time.Time // the last that succeeded; zero: none, or the login has ended
	tried           time.Time // the last try to log in
	failures        int       // of the login, in a row
}

func (p *prober) watch() observer { return observer{results: p.results, clock: p.clock, log: p.log} }

// journey goes as far as it can. The results tell where it ended.
func (p *prober) journey(ctx context.Context) {
	if due(p.login, p.clock.Now(), p.config.LoginEvery) && due(p.tried, p.clock.Now(), p.pause()) {
		p.tried = p.clock.Now()
		p.failures++
		if p.logIn(ctx) == nil {
			p.login, p.failures = p.clock.Now(), 0
		}
	}
	if p.login.IsZero() { // the failed step of the login keeps its result meanwhile
		return
	}
	accounts, err := p.balance(ctx, StepBalance)
	var refused *client.Problem
	if errors.As(err, &refused) && strings.HasPrefix(refused.Code, "SESSION_") {
		p.login = time.Time{} // the next round logs in
	}
	if err != nil || !due(p.transfer, p.clock.Now(), p.config.TransferEvery) {
		return
	}
	if p.move(ctx, accounts) == nil {
		p.transfer = p.clock.Now()
	}
}

// retryLogin is the pause after a login that failed. A code may be sent again after a minute.
const retryLogin = 2 * time.Minute

// pause is the time between two tries to log in. It doubles with each failure, because a
// number gets few codes a day.
func (p *prober) pause() time.Duration {
	if p.failures == 0 {
		return 0
	}
	return min(retryLogin<<min(p.failures-1, 10), p.config.LoginEvery)
}

// logIn logs in by password and a fresh code.
func (p *prober) logIn(ctx context.Context) error {
	var earlier []string
	err := p.watch().try(ctx, "otp-send", StepLogin, func(ctx context.Context) (err error) {
		if earlier, err = p.texts(ctx); err != nil {
			return err
		}
		return p.app.SendOTP(ctx, "login", p.customer.Phone, client.Captcha{})
	})
	if err != nil {
		return err
	}
	code := ""
	err = p.watch().try(ctx, "notify-on-otp", StepLogin, func(ctx context.Context) error {
		code, err = p.code(ctx, earlier)
		return err
	})
	if err != nil {
		return err
	}
	return p.watch().try(ctx, "identity-login", StepLogin, func(ctx context.Context) error {
		_, err := p.app.Login(ctx, p.customer.Phone, p.customer.LoginPassword, code)
		return err
	})
}

// balance reads the probe's two accounts.
func (p *prober) balance(ctx context.Context, step Step) (accounts []client.AccountView, err error) {
	err = p.watch().try(ctx, "account-overview", step, func(ctx context.Context) error {
		all, err := p.app.AccountOverview(ctx)
		if err != nil {
			return err
		}
		if len(all.Accounts) < 2 {
			return fmt.Errorf("%w: the probe needs two accounts", errAnswer)
		}
		accounts = all.Accounts[:2]
		return nil
	})
	return accounts, err
}

const amount money.Fen = 1 // 0.01

// report reports a clean environment: the report of the login may be too old for a transfer by
// one factor.
func (p *prober) report(ctx context.Context) error {
	return p.watch().try(ctx, "device-report", StepTransfer, func(ctx context.Context) error {
		_, err := p.app.ReportEnvironment(ctx, nil)
		return err
	})
}

// move transfers the amount from the richer account to the other, and checks both.
func (p *prober) move(ctx context.Context, before []client.AccountView) error {
	from, to := 0, 1
	if before[1].Balance > before[0].Balance {
		from, to = 1, 0
	}
	if err := p.report(ctx); err != nil {
		return err
	}
	var in client.TransferPrepareReply
	err := p.watch().try(ctx, "transfer-prepare", StepTransfer, func(ctx context.Context) (err error) {
		in, err = p.app.TransferPrepare(ctx, client.TransferPrepareRequest{
			DebitAccountID: before[from].AccountID, PayeeAccountID: &before[to].AccountID, Amount: amount,
		})
		return err
	})
	if err != nil {
		return err
	}
	err = p.watch().try(ctx, "transfer-confirm", StepTransfer, func(ctx context.Context) error {
		signed, err := p.app.SignProof(in.Text)
		if err != nil {
			return err
		}
		_, err = p.app.TransferConfirm(ctx, uuid.NewString(), client.TransferConfirmRequest{
			IntentID: in.IntentID, Proofs: []client.StepupProof{signed},
		})
		return err
	})
	if err != nil {
		return err
	}
	after, err := p.balance(ctx, StepTransfer)
	if err != nil {
		return err
	}
	return p.watch().try(ctx, "transfer-confirm", StepTransfer, func(context.Context) error {
		if after[from].Balance != before[from].Balance-amount || after[to].Balance != before[to].Balance+amount {
			return fmt.Errorf("%w: the balances did not change by the amount", errAnswer)
		}
		return nil
	})
}

// texts lists the texts of the probe's phone, the newest first.
func (p *prober) texts(ctx context.Context) ([]string, error) {
	address, err := url.Parse(p.config.InboxURL)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	query := address.Query()
	query.Set("phone", p.customer.Phone)
	address.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	status, answer, err := p.do(req)
	var list []struct {
		Text string `json:"text"`
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(answer, &list) != nil {
		return nil, fmt.Errorf("%w: inbox: %d", errors.Join(errAnswer, err), status)
	}
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = m.Text
	}
	return texts, nil
}

var sixDigits = regexp.MustCompile(`验证码(\d{6})`)

const pollInbox = 100 * time.Millisecond

// code waits for the text with the code. Only texts that came after the earlier ones count.
func (p *prober) code(ctx context.Context, earlier []string) (string, error) {
	for {
		texts, err := p.texts(ctx)
		if err != nil {
			return "", err
		}
		fresh := texts
		if len(earlier) > 0 {
			if i := slices.Index(texts, earlier[0]); i >= 0 {
				fresh = texts[:i]
			}
		}
		for _, text := range fresh {
			if found := sixDigits.FindStringSubmatch(text); found != nil && strings.Contains(text, "登录") {
				return found[1], nil
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("no code came: %w", ctx.Err())
		case <-time.After(pollInbox):
		}
	}
}
