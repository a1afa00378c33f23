package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Captcha is the customer's answer to a graphic code of CaptchaIssue. The zero value is
// no answer.
type Captcha struct{ ID, Answer string }

// captchaTries is how many graphic codes a customer may try in one call.
const captchaTries = 3

// codes issues the graphic codes for hellos, or for calls on a channel.
type codes struct {
	issue  func(context.Context) (CaptchaIssueReply, error)
	sealed bool // the bank seals the refusals that ask for these codes
}

// ask makes a call with an answer of the customer. While the bank asks for a graphic
// code, ask shows one to the customer and makes the call once more.
func (c *Client) ask(ctx context.Context, solved Captcha, codes codes, call func(Captcha) error) error {
	for try := 1; ; try++ {
		err := call(solved)
		if c.config.Captcha == nil || try > captchaTries || !codes.wanted(err) {
			return err
		}
		code, err := codes.issue(ctx)
		if err != nil {
			return err
		}
		answer, err := c.config.Captcha(ctx, code.ImagePNG)
		if err != nil {
			return fmt.Errorf("client: graphic code: %w", err)
		}
		solved = Captcha{ID: code.CaptchaID, Answer: answer}
	}
}

// solving makes a call on a channel, with an answer of the customer if the bank asks for
// one.
func (c *Client) solving(ctx context.Context, solved Captcha, call func(Captcha) error) error {
	return c.ask(ctx, solved, codes{issue: c.CaptchaIssue, sealed: true}, call)
}

// wanted reports whether the bank asks for an answered code, or refuses the answer. A call
// on a channel may also fail because the hello before it was refused, which has asked the
// customer already.
func (s codes) wanted(err error) bool {
	var p *Problem
	if !errors.As(err, &p) || p.sealed != s.sealed {
		return false
	}
	malformed := p.Code == "INPUT_INVALID" && p.Field == "captcha_answer" // not six digits
	return malformed || p.Code == "CAPTCHA_REQUIRED" || p.Code == "CAPTCHA_REJECTED"
}

// helloCode fetches a graphic code without a channel.
func (c *Client) helloCode(ctx context.Context) (CaptchaIssueReply, error) {
	var code CaptchaIssueReply
	got, err := c.post(ctx, "channel-captcha", "application/json", []byte("{}"))
	if err != nil {
		return code, err
	}
	if got.status != http.StatusOK {
		return code, got.problem()
	}
	if err := json.Unmarshal(got.body, &code); err != nil {
		return code, ErrBank
	}
	return code, nil
}
