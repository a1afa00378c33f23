// Package client is the app's side of the bank: the secure channel, device keys,
// step-up and retries, for Go programs and as the model for other languages.
//
// A Client opens its channel at its first call, and a new channel when the bank has
// forgotten the old one (CHANNEL_EXPIRED). A login belongs to its channel, so on the
// new channel the bank asks for a login (SESSION_REQUIRED). A Client repeats a call
// with an idempotency key while its outcome is unknown: with the same key, after
// growing pauses. It does not repeat other calls with an unknown outcome. When the bank
// asks for a graphic code, the Client shows it to the customer (Config.Captcha). The pinned
// channel key proves that the bank is the bank. A Client offers version 2 of the channel,
// whose keys come from SM2 and ML-KEM-768. A Client is safe for concurrent use.
// Amounts are fen.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/sm"
)

// Config is the configuration of a client.
type Config struct {
	BaseURL  string
	DeviceID string // stays the same for the app's installation
	// Device is the device's key, which never leaves the device. An app without a key (nil,
	// for example in a browser) can log in. It can't sign up, bind a key or use SignProof.
	Device *sm.PrivateKey
	Pinned *sm.PublicKey // the bank's channel key
	// NextPins are further channel keys of the bank that the app contains, or has learnt by
	// LearnPins. The bank may prove itself by any of them.
	NextPins []*sm.PublicKey
	// RequireHybrid refuses, with ErrNotHybrid, a bank that opens no channel of version 2 (SM2
	// and ML-KEM-768). Without it the client offers version 2 too, and takes version 1 only
	// if the bank itself has chosen it: nobody on the way can lower the version.
	RequireHybrid bool
	// App names the app and its version to the bank, which may ask for an update by the
	// *Problem APP_OUTDATED. The zero value names nothing.
	App channel.App
	// Environment returns what the app finds about the safety of its environment
	// (docs/protocol.md, section 7); nil finds nothing. Each login reports it to the bank.
	Environment  func() []environment.Finding
	AppSignature []byte // SM3 of the certificate that signed the app; of the Go client if empty

	HTTP *http.Client     // http.DefaultClient if nil
	Now  func() time.Time // the device's clock, which may be wrong
	// Captcha shows the customer a graphic code (PNG) and returns the answer. The bank asks
	// for one at SendOTP, Register, Login and LoginBinding, and while too many apps open
	// channels. The client then makes the call again with the answer. Without Captcha, the
	// call returns the *Problem CAPTCHA_REQUIRED, and the app passes the answer to a code of
	// CaptchaIssue with the next call. Captcha must not call this client.
	Captcha func(ctx context.Context, image []byte) (answer string, err error)
	Tries   int           // most tries of a repeatable call; 5 if zero
	Pause   time.Duration // before the second try; 200 ms if zero
}

// Client is one app on one device.
type Client struct {
	config Config

	mu   sync.Mutex
	open *opened
	skew atomic.Int64 // how far the bank's clock is ahead of the device's, in nanoseconds
}

// opened is a channel in use.
type opened struct {
	id          channel.ID
	version     int
	keys        channel.Keys
	passwordKey *sm.PublicKey
	sequence    atomic.Uint64 // counts only the requests of this channel: nonces must not repeat under a key
}

// Problem is a refusal by the bank.
type Problem struct { //nolint:errname // RFC 9457's word
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Field  string `json:"field"`
	Trace  string `json:"trace"`
	// RetryAfter is how many seconds the bank asks the client to wait; 0 if it asks nothing.
	RetryAfter int `json:"retry_after"`

	Rules        []string   `json:"rules"`        // PASSWORD_WEAK: the rules that the field breaks
	Combinations []string   `json:"combinations"` // STEPUP_STRONGER: each is enough
	Missing      []string   `json:"missing"`      // STEPUP_STRONGER: with the factors of one of these, the proofs are enough
	Most         *int64     `json:"most_fen"`     // STEPUP_STRONGER at a preparation: the largest amount
	TriesLeft    *int       `json:"tries_left"`   // PROOF_REJECTED: at least so many tries are left
	LockedUntil  *time.Time `json:"locked_until"` // the end of the trade password's lock or freeze
	ResultID     string     `json:"result_id"`    // INTENT_USED: what the intent made

	Later *LaterLogin `json:"later_login"` // SESSION_DISPLACED: the login that ended the session, if the bank knows it

	DownloadURL string `json:"download_url"` // APP_OUTDATED: where the new version is, if the bank knows it

	sealed bool      // the bank itself has said so, and no one on the way
	at     time.Time // the bank's time, if sealed
}

// LaterLogin is the login that has ended a session.
type LaterLogin struct {
	At       time.Time `json:"at"`
	DeviceID string    `json:"device_id"`
	Place    string    `json:"place"`
}

// Error is for logs; Title and Detail are for customers.
func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Title) }

// Is makes errors.Is compare problems by code.
func (p *Problem) Is(target error) bool {
	t, ok := target.(*Problem)
	return ok && t.Code == p.Code
}

// Errors of the client itself.
var (
	ErrBank      = errors.New("client: the answer is not from the pinned bank")
	ErrNoDevice  = errors.New("client: this needs a device key, and Config.Device is nil")
	ErrNotHybrid = errors.New("client: the bank has chosen version 1 of the channel, and Config.RequireHybrid is set")
)

// New returns a client. It sends nothing yet.
func New(config Config) *Client {
	if config.HTTP == nil {
		config.HTTP = http.DefaultClient
	}
	if config.Now == nil {
		config.Now = clock.System{}.Now
	}
	if config.Tries == 0 {
		config.Tries = 5
	}
	if config.Pause == 0 {
		config.Pause = 200 * time.Millisecond
	}
	return &Client{config: config}
}

// Call calls a function once and reads its reply; a refusal is a *Problem.
func (c *Client) Call(ctx context.Context, function string, request, reply any) error {
	return c.call(ctx, function, fixed(request), reply)
}

func (c *Client) call(ctx context.Context, function string, request *request, reply any) error {
	return c.withChannel(ctx, func(o *opened) error { return c.send(ctx, o, function, "", request, reply) })
}

// request makes a call's body for one channel, once for each channel. A password is
// sealed for one channel; the bank refuses it on the next.
type request struct {
	make func(*opened) (any, error)
	on   *opened
	made any
}

func fixed(value any) *request {
	return &request{make: func(*opened) (any, error) { return value, nil }}
}

func (r *request) body(o *opened) (any, error) {
	if r.on == o {
		return r.made, nil
	}
	made, err := r.make(o)
	if err != nil {
		return nil, err
	}
	r.on, r.made = o, made
	return made, nil
}

// current returns the open channel. It opens a new channel if no channel is open, or
// the open channel is stale.
func (c *Client) current(ctx context.Context, stale *opened) (*opened, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != nil && c.open != stale {
		return c.open, nil
	}
	err := c.ask(ctx, Captcha{}, codes{issue: c.helloCode}, func(solved Captcha) error {
		o, err := c.openChannel(ctx, solved)
		if err == nil {
			c.open = o
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.open, nil
}

// hello is the request of channel-open.
type hello struct {
	channel.Hello
	CaptchaID     string `json:"captcha_id,omitempty"`
	CaptchaAnswer string `json:"captcha_answer,omitempty"`
}

// openChannel does one handshake.
func (c *Client) openChannel(ctx context.Context, solved Captcha) (*opened, error) {
	pinned := append([]*sm.PublicKey{c.config.Pinned}, c.config.NextPins...)
	handshake, err := channel.NewClient(c.config.DeviceID, pinned...)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if err := handshake.OfferHybrid(); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if c.config.App != (channel.App{}) {
		handshake.SetApp(c.config.App)
	}
	body, err := json.Marshal(hello{Hello: handshake.Hello(), CaptchaID: solved.ID, CaptchaAnswer: solved.Answer})
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	got, err := c.post(ctx, "channel-open", "application/json", body)
	if err != nil {
		return nil, err
	}
	if got.status != http.StatusOK {
		return nil, got.problem()
	}
	var welcome channel.Welcome
	if err := json.Unmarshal(got.body, &welcome); err != nil {
		return nil, ErrBank
	}
	id, keys, err := handshake.Finish(welcome, pinned...)
	if err != nil {
		return nil, ErrBank
	}
	passwordKey, err := sm.ParsePublicKey(welcome.PasswordKey)
	if err != nil {
		return nil, ErrBank
	}
	o := &opened{id: id, version: channel.Version, keys: keys, passwordKey: passwordKey}
	if welcome.Hybrid() {
		o.version = channel.HybridVersion
	}
	if o.version != channel.HybridVersion && c.config.RequireHybrid {
		return nil, ErrNotHybrid
	}
	return o, nil
}

// ChannelVersion is the version of the channel in use: 1 (SM2), 2 (SM2 and ML-KEM-768), or 0
// before the first call.
func (c *Client) ChannelVersion() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		return 0
	}
	return c.open.version
}

func (c *Client) send(ctx context.Context, o *opened, function, key string, request *request, reply any) error {
	body, err := request.body(o)
	if err != nil {
		return err
	}
	clear, err := json.Marshal(struct {
		Key     string `json:"idempotency_key"`
		Request any    `json:"request"`
	}{key, body})
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	h := channel.Header{ID: o.id, Sequence: o.sequence.Add(1), Time: c.now()}
	frame, err := channel.SealRequest(o.keys, h, http.MethodPost, function, clear)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	got, err := c.post(ctx, function, channel.MediaType, frame)
	if err != nil {
		return err
	}
	if got.header.Get("Content-Type") == channel.MediaType {
		of, _ := channel.ParseHeader(got.body) // OpenReply reports a header that is malformed
		if got.body, err = channel.OpenReply(o.keys, got.body, h, function, got.status); err != nil {
			return ErrBank
		}
		got.sealed, got.at = true, of.Time
	} else if !got.mayBeClear() {
		return ErrBank
	}
	if got.status != http.StatusOK {
		return got.problem()
	}
	if err := json.Unmarshal(got.body, reply); err != nil {
		return fmt.Errorf("client: %s: %w", function, err)
	}
	return nil
}

const maxReply = 4 << 20

// answer is an HTTP answer with its whole body.
type answer struct {
	status int
	header http.Header
	body   []byte
	sealed bool      // the body was sealed; nothing authenticates the header
	at     time.Time // the bank's time, if sealed
}

func (c *Client) post(ctx context.Context, function, contentType string, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.BaseURL+"/function/"+function, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := c.config.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	defer resp.Body.Close() // the body has been read, or the caller gets the error
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: raw}, nil
}

// inClear lists the refusals that the bank sends before it has opened the frame. It
// has no channel yet to seal them in. The gateway sends the last refusal of the list.
var inClear = []string{"CHANNEL_EXPIRED", "FRAME_REJECTED", "INPUT_TOO_LARGE", "METHOD_NOT_ALLOWED", "FUNCTION_UNKNOWN"}

// mayBeClear reports whether the client accepts an answer in clear, which nothing
// authenticates. It accepts only refusals of inClear. The bank seals every decision
// about a request.
func (a *answer) mayBeClear() bool {
	if a.status >= http.StatusInternalServerError || a.status == http.StatusTooManyRequests {
		return true
	}
	var p Problem
	return a.status != http.StatusOK && json.Unmarshal(a.body, &p) == nil && slices.Contains(inClear, p.Code)
}

func (a *answer) problem() error {
	p := &Problem{}
	if json.Unmarshal(a.body, p) != nil {
		p.Title = "服务暂时不可用"
	}
	p.Status, p.sealed, p.at = a.status, a.sealed, a.at
	if s, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil && !a.sealed {
		p.RetryAfter = s
	}
	p.RetryAfter = max(0, p.RetryAfter)
	return p
}

// SealPassword seals a password for the channel in use.
func (c *Client) SealPassword(ctx context.Context, password string) ([]byte, error) {
	o, err := c.current(ctx, nil)
	if err != nil {
		return nil, err
	}
	return o.seal(password)
}

func (o *opened) seal(password string) ([]byte, error) {
	sealed, err := sm.Encrypt(o.passwordKey, append(o.id[:len(o.id):len(o.id)], password...))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return sealed, nil
}
