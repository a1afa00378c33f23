package confirm_test

import (
	"encoding/json"
	"net/http"
	"testing"

	handler "github.com/openfaas/templates-sdk/go-http"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/bank"
)

// twoInstances opens the function twice, each time with connections of its own to
// the bank's database at url. Call leave to close them.
func twoInstances(t *testing.T, b *bank.Bank, url string) (instances [2]handler.FunctionHandler, leave func()) {
	t.Helper()
	var hosts [2]host.Host
	for i := range hosts {
		hosts[i] = *b.Host
		var err error
		if hosts[i].DB, err = pg.Open(t.Context(), pg.Config{URL: url, MaxConns: 16}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(hosts[i].DB.Close)
		if instances[i], err = transferconfirm.Function.Open(t.Context(), &hosts[i], host.Values()); err != nil {
			t.Fatal(err)
		}
	}
	return instances, func() { hosts[0].DB.Close(); hosts[1].DB.Close() }
}

// confirmAt sends a frame to an instance and returns the reply's code, "" for a good
// one.
func confirmAt(t *testing.T, instance handler.FunctionHandler, d *bank.Device, frame []byte) string {
	t.Helper()
	call := handler.Request{Body: frame, Method: http.MethodPost, Header: http.Header{}}
	call.WithContext(t.Context())
	reply, err := instance.Handle(call)
	if err != nil {
		t.Error(err)
		return err.Error()
	}
	sent, err := channel.ParseHeader(frame)
	if err != nil {
		t.Error(err)
	}
	body, err := channel.OpenReply(d.Keys, reply.Body, sent, transferconfirm.Function.Spec.Name, reply.StatusCode)
	if err != nil {
		t.Error(err)
	}
	var problem struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal(body, &problem); err != nil {
		t.Error(err)
	}
	return problem.Code
}
