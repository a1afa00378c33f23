package gate_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// appended is the image of the small program with a text in it.
func appended(text string) func(int, map[string][]byte) {
	return func(i int, files map[string][]byte) {
		if i == 1 {
			files["app"] = append(files["app"], text...)
		}
	}
}

// No image and no initial data hold a known test account: the image check finds each of
// their numbers, and finds none in the bank's images, of which one holds the migrations.
// A bank that only the migrations have filled lets none of them in.
func TestKnownTestAccounts(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-012.4")
	b, err := build()
	check.Must(t, err)
	if _, _, list := judged(t, filepath.Join(b.folder, "bank")); len(list) > 0 {
		t.Error(list)
	}
	empty := bank.New(t)
	const people = "SELECT (SELECT count(*) FROM customer) + (SELECT count(*) FROM account WHERE customer_id IS NOT NULL)"
	if n := empty.Count(t, people); n != 0 {
		t.Errorf("a new bank has %d customers and accounts", n)
	}
	var numbers []string
	for _, p := range req.AtLeast(t, 3, seed.Demo()) {
		numbers = append(numbers, p.Phone, p.IDNo)
		for _, a := range p.Accounts {
			numbers = append(numbers, a.No)
		}
		phone := empty.Device(t, "phone-of-"+p.Phone)
		r := phone.LogIn(t, seed.Customer{Person: p}, otptest.Ask(t, empty, phone, otp.Login, p.Phone))
		r.CaptchaID, r.CaptchaAnswer = captchatest.Solved(t, empty, phone), captchatest.Answer
		phone.Call(t, identitylogin.Function, "", r).Want(t, "LOGIN_FAILED")
	}
	_, _, list := judged(t, changedImage{layer: appended(" " + strings.Join(numbers, " "))}.make(t))
	found := ""
	for _, p := range list {
		found += p.What + "\n"
	}
	for _, number := range numbers {
		if !strings.Contains(found, "test number "+number+"\n") {
			t.Errorf("the scan does not find %s in an image: %s", number, found)
		}
	}
}

// The program of a production image answers 404 to every address of the developer's
// page, and to those where Go's libraries show debug data.
func TestDebugEndpoints(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-012.2")
	address := running(t).address
	paths := []string{
		"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/debug/pprof/cmdline", "/debug/vars", "/debug/requests",
		"/metrics", "/dev/", "/_/debug", "/_/config", "/swagger", "/graphql", "/actuator/env", "/.env",
	}
	routes := regexp.MustCompile(`"(?:GET|POST) (/[^"{]+)"`).FindAllStringSubmatch(read(t, root+"/localstack/dev/dev.go"), -1)
	for _, route := range req.AtLeast(t, 10, routes) {
		paths = append(paths, route[1])
	}
	for _, path := range paths {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			request, err := http.NewRequestWithContext(t.Context(), method, address+path, strings.NewReader("{}"))
			check.Must(t, err)
			reply, err := http.DefaultClient.Do(request)
			check.Must(t, err)
			check.Must(t, reply.Body.Close())
			if reply.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s answers %d", method, path, reply.StatusCode)
			}
		}
	}
}

// process is a program that runs, with the folders in which it may write.
type process struct{ address, folder, temporary string }

// running starts the program of the image captcha-issue as production does.
func running(t *testing.T) process {
	t.Helper()
	built, err := build()
	check.Must(t, err)
	dir, b := t.TempDir(), blobs{t, filepath.Join(built.folder, "bank")}
	app := filepath.Join(dir, "app")
	for _, l := range b.json(b.digest("captcha-issue"))["layers"].([]any) {
		if text, ok := unpack(t, b.read(l.(map[string]any)["digest"].(string)))["app"]; ok {
			check.Must(t, os.WriteFile(app, text, 0o700))
		}
	}
	check.Must(t, keys.Create(dir+"/keys.json"))
	_, database := pgtest.NewURL(t)
	port := check.FreePort(t)
	p := process{"http://127.0.0.1:" + port, t.TempDir(), t.TempDir()}
	cmd := exec.Command(app)
	cmd.Dir = p.folder
	cmd.Env = []string{
		"PORT=" + port, "KEYS_FILE=" + dir + "/keys.json", "REDIS_URL=redis://" + miniredis.RunT(t).Addr(), "DATABASE_URL=" + database,
		"FN_TRUSTED_PROXIES=none", "FN_ALLOW_PLAINTEXT=true", "FN_LINGER=1ms", "TMPDIR=" + p.temporary,
	}
	cmd.Stderr = t.Output()
	check.Must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	check.Until(t, "the program is ready", func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.address+"/_/ready", nil)
		check.Must(t, err)
		reply, err := http.DefaultClient.Do(request)
		return err == nil && reply.Body.Close() == nil && reply.StatusCode == http.StatusOK
	})
	return p
}
