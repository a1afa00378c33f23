package devapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/localstack/devapi"
)

// page answers each path with one text, and any other path with an error.
func page(t *testing.T, texts map[string]string) devapi.API {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := texts[r.Method+" "+r.URL.RequestURI()]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	return devapi.API{Base: server.URL}
}

func TestReadsThePage(t *testing.T) {
	t.Parallel()
	d := page(t, map[string]string{
		"GET /dev/bank.json":            `{"channel_certificate":"AQI="}`,
		"POST /dev/customers":           `{"name":"王小明","id_no":"1","card_no":"2","card_password":"3","phone":"4"}`,
		"GET /dev/sms?phone=%2B86+1":    `[{"text":"新"},{"text":"旧"}]`,
		"GET /dev/events?subject=a%26b": `[{"id":"1","type":"t","deliveries":[{"consumer":"c","state":"dead"}]}]`,
	})
	certificate, err := d.Certificate(t.Context())
	want(t, []byte{1, 2}, certificate, err)
	person, err := d.NewCustomer(t.Context())
	want(t, devapi.Person{Name: "王小明", IDNo: "1", CardNo: "2", CardPassword: "3", Phone: "4"}, person, err)
	texts, err := d.Texts(t.Context(), "+86 1")
	want(t, []string{"新", "旧"}, texts, err)
	list, err := d.Events(t.Context(), "a&b")
	want(t, []devapi.Event{{ID: "1", Type: "t", Deliveries: []devapi.Delivery{{Consumer: "c", State: "dead"}}}}, list, err)
}

func want[T any](t *testing.T, want, got T, err error) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestAPageThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	d := page(t, map[string]string{"POST /dev/customers": "<h1>"})
	if _, err := d.Certificate(t.Context()); !errors.Is(err, devapi.ErrDev) {
		t.Errorf("404: %v, want ErrDev", err)
	}
	if _, err := d.NewCustomer(t.Context()); err == nil {
		t.Error("a page for JSON, and no error")
	}
	if _, err := (devapi.API{Base: "http://127.0.0.1:1"}).Events(t.Context(), ""); err == nil {
		t.Error("nobody there, and no error")
	}
	if _, _, err := d.Code(t.Context(), "1", "登录", func() error { return nil }); !errors.Is(err, devapi.ErrDev) {
		t.Errorf("Code waits on at an error: %v", err)
	}
}

// Code waits for its text. It takes neither an earlier code, nor a notice that comes
// after the code.
func TestCodeWaitsForItsText(t *testing.T) {
	t.Parallel()
	const old, other, right, notice = "【潮汐银行】您正在登录，验证码111111", "转账，验证码222222", "登录，验证码333333。", "登录提醒"
	lists := [][]string{{old}, {old}, {notice, old}, {other, notice, old}, {notice, right, other, notice, old}}
	var read int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var list []map[string]string
		for _, text := range lists[min(read, len(lists)-1)] {
			list = append(list, map[string]string{"text": text})
		}
		read++
		_ = json.NewEncoder(w).Encode(list)
	}))
	defer server.Close()
	asked := 0
	code, text, err := devapi.API{Base: server.URL}.Code(t.Context(), "1", "登录", func() error {
		asked++
		return nil
	})
	if code != "333333" || text != right || asked != 1 || err != nil {
		t.Errorf("%q of %q, asked %d times, %v", code, text, asked, err)
	}
	refused := errors.New("refused")
	_, _, err = devapi.API{Base: server.URL}.Code(t.Context(), "1", "登录", func() error { return refused })
	if !errors.Is(err, refused) {
		t.Errorf("%v, want the call's own error", err)
	}
}

func TestUntil(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		err := devapi.Until(t.Context(), "x", func() (bool, error) {
			asked++
			return asked == 3, nil
		})
		if err != nil || asked != 3 {
			t.Errorf("asked %d times, %v", asked, err)
		}
		err = devapi.Until(t.Context(), "x", func() (bool, error) { return false, errors.ErrUnsupported })
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("its own error: %v", err)
		}
		began := time.Now()
		err = devapi.Until(t.Context(), "a text", func() (bool, error) { return false, nil })
		if waited := time.Since(began); !errors.Is(err, devapi.ErrWaited) || waited < 15*time.Second || waited > 16*time.Second {
			t.Errorf("after %v: %v", waited, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = devapi.Until(ctx, "x", func() (bool, error) { return false, nil })
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, devapi.ErrWaited) {
			t.Errorf("a caller that left: %v", err)
		}
	})
}
