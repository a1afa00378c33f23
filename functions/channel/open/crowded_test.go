package open_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
)

const most = 10 // hellos in a minute of the banks here

// newSmallBank is a bank that takes few hellos, and a customer's phone on a channel.
func newSmallBank(t *testing.T) (*bank.Bank, *bank.Device) {
	t.Helper()
	b, phone := newPhone(t)
	check.Must(t, b.Host.Sessions.Start(t.Context(), phone.Channel, uuid.New()))
	b.Redis.Del("rate:hellos")
	var err error
	b.Host.Sessions, err = session.New(b.Host.Redis, b.Host.Keys, b.Clock, session.Config{
		ChannelLife: 12 * time.Hour, Unproved: time.Minute, Idle: 10 * time.Minute, Hellos: most,
	})
	check.Must(t, err)
	return b, phone
}

// strangers send hellos, each from an address of its own, and return the codes of the
// answers.
func strangers(t *testing.T, stranger *bank.Device, n int) (codes []string) {
	t.Helper()
	own := stranger.IP
	defer func() { stranger.IP = own }()
	for i := range n {
		stranger.IP = fmt.Sprintf("198.51.%d.%d", 100+i/250, i%250)
		_, raw := hello(t, "phone-of-stranger", nil)
		codes = append(codes, stranger.Send(t, channelopen.Function, raw).Code)
	}
	return codes
}

// helloWith answers a graphic code in a hello.
func helloWith(t *testing.T, d *bank.Device, id, answer string) bank.Reply {
	t.Helper()
	_, raw := hello(t, d.ID, func(fields map[string]any) { fields["captcha_id"], fields["captcha_answer"] = id, answer })
	return d.Send(t, channelopen.Function, raw)
}

// kept is all that Redis keeps but the counts of calls, which have an end by themselves.
func kept(b *bank.Bank) []string {
	return slices.DeleteFunc(b.Redis.Keys(), func(key string) bool { return strings.Contains(key, "rate:") })
}

// A flood of hellos from many addresses meets the cap of all addresses together. Above
// it a hello is refused and leaves nothing. Open channels go on. A minute later, all is
// as before.
func TestAFloodOfHellosMeetsAGraphicCode(t *testing.T) {
	t.Parallel()
	req.Covers(t, "RISK-002.4")
	b, phone := newSmallBank(t)
	before := len(kept(b))
	codes := strangers(t, phone, 300)
	for i, code := range codes {
		if want := map[bool]string{true: "CAPTCHA_REQUIRED"}[i >= most]; code != want {
			t.Fatalf("hello %d: %q, want %q", i+1, code, want)
		}
	}
	if n := len(kept(b)) - before; n != most {
		t.Errorf("%d hellos left %d keys, want the %d channels", len(codes), n, most)
	}
	_, raw := hello(t, phone.ID, nil)
	refused := phone.Send(t, channelopen.Function, raw)
	if refused.Status != http.StatusUnauthorized || refused.Problem.Title == "" {
		t.Errorf("refused with %d %s", refused.Status, refused.Body)
	}
	phone.Call(t, captchaissue.Function, "", struct{}{}).Want(t, "")
	if n := refusedHellos(t, b); n != float64(len(codes)-most+1) {
		t.Errorf("the metric counts %v", n)
	}
	b.Advance(66 * time.Second)
	reopen(t, b, phone)
}

// refusedHellos is the metric on which the operator's alert stands.
func refusedHellos(t *testing.T, b *bank.Bank) float64 {
	t.Helper()
	families, err := b.Host.Metrics.Registry.Gather()
	check.Must(t, err)
	for _, family := range families {
		if family.GetName() != "tidebank_calls_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["function"] == "channel-open" && labels["code"] == "CAPTCHA_REQUIRED" {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// Above the cap, the right answer to a graphic code opens a channel, once. A wrong or
// late answer, or a code of another kind, does not.
func TestAGraphicCodeOpensAChannel(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CAPTCHA-001.1", "CAPTCHA-002.1", "CAPTCHA-002.2")
	b, phone := newSmallBank(t)
	overChannel := captchatest.Solved(t, b, phone)
	strangers(t, phone, most+1)
	id, answer := captchatest.ForHello(t, b, phone)
	client, raw := hello(t, phone.ID, func(fields map[string]any) { fields["captcha_id"], fields["captcha_answer"] = id, answer })
	var welcome struct {
		ID []byte `json:"channel_id"`
	}
	reply := phone.Send(t, channelopen.Function, raw)
	reply.Into(t, &welcome)
	if len(welcome.ID) != 16 || client == nil {
		t.Fatalf("the welcome is %s", reply.Body)
	}
	helloWith(t, phone, id, answer).Want(t, "CAPTCHA_REJECTED")

	id, answer = captchatest.ForHello(t, b, phone)
	wrong := map[bool]string{true: "000001", false: "000000"}[answer == "000000"]
	for _, none := range []string{"   ", "\u3000", "\u202e", "-", "0", "12345x", "1111111111111111"} {
		refused := helloWith(t, phone, id, none)
		if refused.Want(t, "INPUT_INVALID"); refused.Problem.Field != "captcha_answer" {
			t.Errorf("%q: field %q", none, refused.Problem.Field)
		}
	}
	helloWith(t, phone, id, wrong).Want(t, "CAPTCHA_REJECTED")
	helloWith(t, phone, id, answer).Want(t, "CAPTCHA_REJECTED") // the wrong answer has used it up
	helloWith(t, phone, overChannel, captchatest.Answer).Want(t, "CAPTCHA_REJECTED")
	helloWith(t, phone, "unknown", answer).Want(t, "CAPTCHA_REJECTED")
	half := helloWith(t, phone, "", answer)
	if half.Want(t, "INPUT_INVALID"); half.Problem.Field != "captcha_id" {
		t.Errorf("an answer alone: field %q", half.Problem.Field)
	}
	half = helloWith(t, phone, "some id", "")
	if half.Want(t, "INPUT_INVALID"); half.Problem.Field != "captcha_answer" {
		t.Errorf("an id alone: field %q", half.Problem.Field)
	}

	forged, err := captcha.SealForHello(keytest.New(t), "123456", b.Clock.Now().Add(captcha.Life))
	check.Must(t, err)
	helloWith(t, phone, forged, "123456").Want(t, "CAPTCHA_REJECTED")
	id, answer = captchatest.ForHello(t, b, phone)
	helloWith(t, phone, id+"\n", answer).Want(t, "CAPTCHA_REJECTED")
	b.Advance(captcha.Life)
	helloWith(t, phone, id, answer).Want(t, "CAPTCHA_REJECTED")
}

// Strangers who fetch graphic codes and answer them leave nothing that grows.
func TestGraphicCodesDoNotFillRedis(t *testing.T) {
	t.Parallel()
	b, phone := newSmallBank(t)
	strangers(t, phone, most+1)
	before := len(kept(b))
	for range 200 {
		id, answer := captchatest.ForHello(t, b, phone)
		wrong := map[bool]string{true: "000001", false: "000000"}[answer == "000000"]
		helloWith(t, phone, id, wrong).Want(t, "CAPTCHA_REJECTED")
	}
	if n := len(kept(b)) - before; n != 1 {
		t.Errorf("200 answers left %d keys, want one field of bits", n)
	}
	b.Advance(10 * time.Minute)
	for _, key := range kept(b) {
		if strings.HasPrefix(key, "captcha:") {
			t.Errorf("%s stays", key)
		}
	}
}
