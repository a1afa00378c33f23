package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/workers/probe"
)

// Errors of an enrolment.
var (
	errPin     = errors.New("the pin is neither a channel certificate nor a channel key, in DER")
	errUnbound = errors.New("the bank did not bind the device: check card and trade password")
)

// enrolment binds a device of the probe's customer.
type enrolment struct {
	url, pin, device, file string
	ask                    func(what string) (string, error)
	solve                  func(client.CaptchaIssueReply) (answer string, err error)
}

// probeCommand holds the commands about the business probe.
func probeCommand() *cobra.Command {
	var e enrolment
	enrol := &cobra.Command{
		Use: "enrol --url URL --pin FILE --device ID --file PATH", Short: "Bind a device of the probe's customer", Args: cobra.NoArgs,
		Long: `Bind a device of the probe's customer, who has signed up before.

The command asks for the number, the card, the passwords, the graphic code and the code of
the text message, one line each, and shows what is typed. It makes a device key, logs in and
binds the key. It writes the value of PROBE_CUSTOMER into a new file of mode 0600.`,
		Example: "  go run ./infra/tide probe enrol --url https://m.bank.example --pin channel.der " +
			"--device business-probe-1 --file customer.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			e.ask = questions(cmd.InOrStdin(), cmd.ErrOrStderr())
			e.solve = func(issued client.CaptchaIssueReply) (string, error) { return e.show(issued.ImagePNG) }
			return e.run(cmd.Context())
		},
	}
	requireFlag(enrol, &e.url, "url", "the bank's address for customers")
	requireFlag(enrol, &e.pin, "pin", "file with the bank's channel certificate or channel key, in DER")
	requireFlag(enrol, &e.device, "device", "device id of the probe, of at least 8 characters")
	requireFlag(enrol, &e.file, "file", "new file for the value of PROBE_CUSTOMER")
	parent := group("probe", "Prepare the business probe")
	parent.AddCommand(enrol)
	return parent
}

// questions asks on out and reads a line of in.
func questions(in io.Reader, out io.Writer) func(string) (string, error) {
	lines := bufio.NewReader(in)
	return func(what string) (string, error) {
		fmt.Fprintf(out, "%s: ", what)
		line, err := lines.ReadString('\n')
		if err != nil && line == "" {
			return "", fmt.Errorf("%s: %w", what, err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
}

// show writes the graphic code into a file beside the result, and asks for its digits.
func (e enrolment) show(png []byte) (string, error) {
	path := filepath.Join(filepath.Dir(e.file), "captcha.png")
	if err := os.WriteFile(path, png, 0o600); err != nil {
		return "", fmt.Errorf("graphic code: %w", err)
	}
	answer, err := e.ask("digits of the graphic code in " + path)
	return answer, errors.Join(err, os.Remove(path))
}

// run enrols the device. The file comes first, so that no key is bound that nobody has.
func (e enrolment) run(ctx context.Context) error {
	pin, err := readPin(e.pin)
	if err != nil {
		return err
	}
	device, err := sm.GenerateKey()
	if err != nil {
		return fmt.Errorf("device key: %w", err)
	}
	app := client.New(client.Config{BaseURL: strings.TrimSuffix(e.url, "/"), DeviceID: e.device, Device: device, Pinned: pin})
	file, err := os.OpenFile(e.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("file: %w", err)
	}
	who, err := e.bind(ctx, app)
	if err == nil {
		err = write(file, who, device, pin)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(e.file))
	}
	return nil
}

func readPin(path string) (*sm.PublicKey, error) {
	der, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("pin: %w", err)
	}
	if key, err := sm.CertificateKey(der, clock.System{}.Now()); err == nil {
		return key, nil
	}
	key, err := sm.ParsePublicKey(der)
	if err != nil {
		return nil, errPin
	}
	return key, nil
}

// bind logs in and binds the device's key.
func (e enrolment) bind(ctx context.Context, app *client.Client) (who probe.Customer, err error) {
	answers := map[string]string{}
	for _, what := range []string{"number", "login password", "trade password", "card"} {
		if answers[what], err = e.ask(what); err != nil {
			return who, err
		}
	}
	issued, err := app.CaptchaIssue(ctx)
	if err != nil {
		return who, err
	}
	digits, err := e.solve(issued)
	if err != nil {
		return who, err
	}
	if err := app.SendOTP(ctx, "login", answers["number"], client.Captcha{ID: issued.CaptchaID, Answer: digits}); err != nil {
		return who, err
	}
	code, err := e.ask("code of the text message")
	if err != nil {
		return who, err
	}
	login, err := app.LoginBinding(ctx, client.Credentials{
		Phone: answers["number"], Password: answers["login password"], OTP: code,
		TradePassword: answers["trade password"], CardNo: answers["card"],
	})
	if err == nil && !login.DeviceBound {
		err = errUnbound
	}
	return probe.Customer{Phone: answers["number"], LoginPassword: answers["login password"], DeviceID: e.device}, err
}

func write(file io.Writer, who probe.Customer, device *sm.PrivateKey, pin *sm.PublicKey) error {
	var err error
	if who.DeviceKey, err = device.Marshal(); err != nil {
		return fmt.Errorf("device key: %w", err)
	}
	der, err := pin.Marshal()
	if err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	who.Pins = [][]byte{der}
	if err := json.NewEncoder(file).Encode(who); err != nil {
		return fmt.Errorf("file: %w", err)
	}
	return nil
}
