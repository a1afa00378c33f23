package fn

import (
	"net/http"
	"testing"

	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/host"
)

// FuzzReadEvents reads deliveries in every mode. Each event that it returns is valid,
// or has an error; no body makes it panic.
func FuzzReadEvents(f *testing.F) {
	event := `{"specversion":"1.0","id":"1","source":"//tidebank","type":"t","data":{"n":1}}`
	for _, media := range []string{"application/cloudevents+json", "application/cloudevents-batch+json", "application/json", ""} {
		for _, body := range []string{event, "[" + event + "," + event + "]", "[]", "null", "[null]", `{"data_base64":"!"}`, ""} {
			f.Add(media, "1", "", []byte(body))
			f.Add(media, "", "bank", []byte(body))
		}
	}
	h := &eventHandler{host: &host.Host{Limits: host.Limits{BodyBytes: 1 << 16}}}
	f.Fuzz(func(t *testing.T, media, id, topic string, body []byte) {
		header := http.Header{"Content-Type": {media}}
		if id != "" {
			header["Ce-Id"] = []string{id}
			header["Ce-Source"], header["Ce-Type"], header["Ce-Specversion"] = []string{"//x"}, []string{"t"}, []string{"1.0"}
		}
		if topic != "" {
			header["X-Topic"] = []string{topic}
		}
		list, err := h.read(handler.Request{Body: body, Header: header})
		if err != nil && list != nil {
			t.Error("events and an error")
		}
		for _, d := range list {
			if d.err == nil && d.event.Validate() != nil {
				t.Errorf("not valid: %v", d.event)
			}
		}
	})
}
