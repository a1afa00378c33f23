package certificates_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	channelcertificates "github.com/tidebank/tidebank/functions/channel/certificates"
	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// renewal is a bank whose operator renews the channel key.
type renewal struct {
	*bank.Bank
	phone *bank.Device
	file  string
}

func newRenewal(t *testing.T) *renewal {
	t.Helper()
	r := &renewal{Bank: bank.On(t, pgtest.Broken(t)), file: filepath.Join(t.TempDir(), "keys.json")}
	check.Must(t, keys.Create(r.file))
	r.phone = r.Device(t, "phone-of-wang")
	r.restart(t)
	return r
}

// restart lets the two functions read the key file anew.
func (r *renewal) restart(t *testing.T) {
	t.Helper()
	ring, err := keys.Open(t.Context(), keys.Config{File: r.file}, keys.All()...)
	check.Must(t, err)
	r.Host.Keys = ring
	r.Forget(channelopen.Function)
	r.Forget(channelcertificates.Function)
}

// after does a step of the renewal.
func (r *renewal) after(t *testing.T, step func(file string) error) {
	t.Helper()
	check.Must(t, step(r.file))
	r.restart(t)
}

// open opens a channel as an app with these pins does.
func (r *renewal) open(t *testing.T, pinned ...*sm.PublicKey) (refusal string, err error) {
	t.Helper()
	client, err := channel.NewClient(r.phone.ID, pinned...)
	check.Must(t, err)
	reply := r.phone.Send(t, channelopen.Function, check.JSON(t, client.Hello()))
	if reply.Code != "" {
		return reply.Code, nil
	}
	var welcome channel.Welcome
	reply.Into(t, &welcome)
	id, agreed, err := client.Finish(welcome, pinned...)
	if err != nil {
		return "", err
	}
	r.phone.Channel, r.phone.Keys = id, agreed
	r.phone.Sequence.Store(0)
	return "", nil
}

// learn asks over the open channel for the bank's keys.
func (r *renewal) learn(t *testing.T) (states []string, pins []*sm.PublicKey) {
	t.Helper()
	var told channelcertificates.Response
	r.phone.Call(t, channelcertificates.Function, "", struct{}{}).Into(t, &told)
	for _, c := range told.Certificates {
		public, err := sm.ParsePublicKey(c.PublicKey)
		check.Must(t, err)
		certified, err := sm.CertificateKey(c.Certificate, clock.System{}.Now())
		if err != nil || !certified.Equal(public) {
			t.Errorf("the certificate of the %s key is of another key, %v", c.State, err)
		}
		states, pins = append(states, c.State), append(pins, public)
	}
	return states, pins
}

func (r *renewal) want(t *testing.T, app, want string, pinned ...*sm.PublicKey) {
	t.Helper()
	refusal, err := r.open(t, pinned...)
	if refusal != want || err != nil {
		t.Errorf("the app with %s: %q, %v; want %q", app, refusal, err, want)
	}
}

// The bank changes its channel key, and no app is locked out: an app with the old pin
// learns the next one before the change, and both open channels until the old key is
// retired.
func TestTheChannelKeyIsRenewedWithoutAGap(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-016.1", "CRYPTO-016.2")
	r := newRenewal(t)
	old := r.Host.Keys.Public(keys.Channel)
	r.want(t, "the first pin", "", old)
	if states, _ := r.learn(t); !slices.Equal(states, []string{"current"}) {
		t.Errorf("told are %v", states)
	}

	r.after(t, keys.AddChannelKey)
	r.want(t, "the old pin", "", old)
	states, learnt := r.learn(t)
	if diff := cmp.Diff([]string{"current", "next"}, states); diff != "" {
		t.Fatalf("told (-want +got):\n%s", diff)
	}
	next := learnt[1]
	r.want(t, "both pins", "", learnt...)
	r.want(t, "the next pin only", "", next)

	r.after(t, keys.PromoteChannelKey)
	r.want(t, "the old pin", "", old)
	if states, told := r.learn(t); !slices.Equal(states, []string{"current"}) || !told[0].Equal(next) {
		t.Errorf("told are %v", states)
	}
	r.want(t, "the new pin", "", next)
	r.want(t, "the pins that it learnt", "", learnt...)

	pin, err := channel.Pin(old)
	check.Must(t, err)
	r.after(t, func(file string) error { return keys.RetireChannelKey(file, pin) })
	r.want(t, "the old pin", "CHANNEL_REFUSED", old)
	r.want(t, "a pin of nobody", "CHANNEL_REFUSED", keytest.PrivateKey(t).Public())
	r.want(t, "the new pin", "", next)
	r.want(t, "the pins that it learnt", "", learnt...)
}

// An app that names no pins gets the current key, as before.
func TestAHelloWithoutPinsGetsTheCurrentKey(t *testing.T) {
	t.Parallel()
	r := newRenewal(t)
	old := r.Host.Keys.Public(keys.Channel)
	r.after(t, keys.AddChannelKey)
	hello := func(pinned *sm.PublicKey) error {
		client, err := channel.NewClient(r.phone.ID)
		check.Must(t, err)
		var welcome channel.Welcome
		r.phone.Send(t, channelopen.Function, check.JSON(t, client.Hello())).Into(t, &welcome)
		_, _, err = client.Finish(welcome, pinned)
		return err
	}
	check.Must(t, hello(old))
	r.after(t, keys.PromoteChannelKey)
	check.Must(t, hello(r.Host.Keys.Public(keys.Channel)))
	if err := hello(old); !errors.Is(err, channel.ErrHandshake) {
		t.Errorf("the old pin: %v", err)
	}
}

// Who changes the pins on the way can't make the bank sign with an older key unnoticed.
func TestNobodyOnTheWayChoosesTheKey(t *testing.T) {
	t.Parallel()
	r := newRenewal(t)
	old := r.Host.Keys.Public(keys.Channel)
	r.after(t, keys.AddChannelKey)
	r.after(t, keys.PromoteChannelKey)
	current := r.Host.Keys.Public(keys.Channel)
	oldPin, err := channel.Pin(old)
	check.Must(t, err)
	for name, change := range map[string]func(h *channel.Hello){
		"none":          func(h *channel.Hello) { h.Pins = nil },
		"only the old":  func(h *channel.Hello) { h.Pins = [][]byte{oldPin} },
		"another order": func(h *channel.Hello) { slices.Reverse(h.Pins) },
	} {
		client, err := channel.NewClient(r.phone.ID, old, current)
		check.Must(t, err)
		sent := client.Hello()
		sent.Pins = slices.Clone(sent.Pins)
		change(&sent)
		var welcome channel.Welcome
		r.phone.Send(t, channelopen.Function, check.JSON(t, sent)).Into(t, &welcome)
		if _, _, err := client.Finish(welcome, old, current); !errors.Is(err, channel.ErrHandshake) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}

func TestMalformedPins(t *testing.T) {
	t.Parallel()
	r := newRenewal(t)
	client, err := channel.NewClient(r.phone.ID)
	check.Must(t, err)
	for _, pins := range [][][]byte{
		{}, {make([]byte, 32), make([]byte, 31)}, {make([]byte, 33)}, {{}}, slices.Repeat([][]byte{make([]byte, 32)}, 9),
	} {
		fields := bank.Fields(t, client.Hello())
		fields["pins"] = pins
		r.phone.Send(t, channelopen.Function, check.JSON(t, fields)).Want(t, "INPUT_INVALID")
	}
	fields := bank.Fields(t, client.Hello())
	fields["pins"] = slices.Repeat([][]byte{make([]byte, 32)}, 8)
	r.phone.Send(t, channelopen.Function, check.JSON(t, fields)).Want(t, "CHANNEL_REFUSED")
}
