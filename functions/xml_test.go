package functions_test

import (
	"encoding/json"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/test/smstest"
)

// xmlTypes are the content types under which a client may try XML.
var xmlTypes = []string{"application/xml", "text/xml", "application/cloudevents+xml", "application/cloudevents+json"}

// sendXML sends an XML text to every function in each place that a text may stand:
// as the body, as the clear text of a frame, and as a value in a request. It returns
// how many calls were made; each must be refused.
func sendXML(t *testing.T, b *bank.Bank, text string) (calls int) {
	t.Helper()
	refused := func(f fn.Function, body []byte, header http.Header) {
		t.Helper()
		if reply := bank.Handle(t, b.Open(t, f), body, header); reply.StatusCode != http.StatusBadRequest {
			t.Errorf("%s answered %d to XML", f.Spec.Name, reply.StatusCode)
		}
		calls++
	}
	for _, f := range functions.All() {
		for _, kind := range xmlTypes {
			refused(f, []byte(text), http.Header{"Content-Type": {kind}})
			refused(f, []byte(text), http.Header{
				"Content-Type": {"application/xml"}, "Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"x"}, "Ce-Type": {kind},
			})
		}
		if isEvent(f) || f.Spec.NoChannel {
			continue
		}
		d := b.Device(t, "phone-of-wang")
		if f.Spec.Audience == fn.Customer {
			check.Must(t, b.Host.Sessions.Start(t.Context(), d.Channel, uuid.New()))
		}
		refused(f, d.FrameAt(t, f, b.Clock.Now(), []byte(text)), nil)
		quoted := check.JSON(t, text)
		refused(f, d.Frame(t, f, "key", json.RawMessage(quoted)), nil)
	}
	return calls
}

func newXMLBank(t *testing.T) *bank.Bank {
	t.Helper()
	b := bank.On(t, pgtest.Broken(t))
	smstest.OpenAt(t, b, "http://127.0.0.1:1", functest.Notifiers(t)...)
	return b
}

// XML that refers to something outside is refused, and nobody asks for it.
func TestXMLWithAnExternalEntityIsRefused(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-009.1")
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	check.Must(t, err)
	asked := make(chan struct{})
	go func() {
		if _, err := outside.Accept(); err == nil {
			close(asked)
		}
	}()
	text := `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "http://` + outside.Addr().String() + `/x">]><r>&x;</r>`
	calls := sendXML(t, newXMLBank(t), text)
	if calls < 20*8+14*2 {
		t.Fatalf("only %d calls were made", calls)
	}
	select {
	case <-asked:
		t.Error("somebody asked for the entity")
	default:
	}
	if err := outside.Close(); err != nil {
		t.Error(err)
	}
}

// XML whose entities expand to gigabytes is refused, and takes no more memory than
// any other text of its length.
func TestAnXMLBombIsRefused(t *testing.T) { //nolint:paralleltest // it measures the memory of the whole process
	req.Covers(t, "INPUT-009.2")
	var bomb strings.Builder
	bomb.WriteString(`<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a0 "` + strings.Repeat("lol", 100) + `">`)
	for i := range 9 {
		name, of := string(rune('1'+i)), string(rune('0'+i))
		bomb.WriteString(`<!ENTITY a` + name + ` "` + strings.Repeat("&a"+of+";", 10) + `">`)
	}
	bomb.WriteString(`]><r>&a9;</r>`)
	b := newXMLBank(t)
	sendXML(t, b, strings.Repeat("x", bomb.Len())) // opens everything
	grown := func(text string) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if calls := sendXML(t, b, text); calls < 20*8+14*2 {
			t.Fatalf("only %d calls were made", calls)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	plain := grown(strings.Repeat("x", bomb.Len()))
	if got := grown(bomb.String()); got > 2*plain+1<<20 {
		t.Errorf("the bomb took %d bytes, any text of its length %d", got, plain)
	}
}
