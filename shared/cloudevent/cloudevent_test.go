package cloudevent_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	sdk "github.com/cloudevents/sdk-go/v2"
	sdkhttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/test/check"
)

var whole = cloudevent.Event{
	ID: "1", Source: "//tidebank", Type: "com.tidebank.done.v1", Subject: "转账 50%\"", DataContentType: "application/json",
	DataSchema: "https://tidebank.example/schema", Time: time.Date(2026, 11, 23, 2, 0, 0, 123456000, time.UTC),
	Extensions: map[string]string{"customerhash": "bd86", "tidebankkey": "event-1"}, Data: []byte(`{"n":1}`),
}

func binary(t testing.TB, e cloudevent.Event) *http.Request {
	t.Helper()
	r, err := cloudevent.NewRequest(t.Context(), "http://127.0.0.1/", e)
	check.Must(t, err)
	return r
}

func TestAnEventIsTheSameInEachMode(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]cloudevent.Event{
		"whole": whole, "least": {ID: "1", Source: "s", Type: "t"},
		"no JSON": {ID: "1", Source: "s", Type: "t", DataContentType: "text/plain", Data: []byte("\x00\xff")},
	} {
		r := binary(t, e)
		got, err := cloudevent.FromHTTP(r.Header, e.Data)
		check.Must(t, err)
		if diff := cmp.Diff(e, got); diff != "" {
			t.Errorf("%s changes in binary mode:\n%s", name, diff)
		}
		got, err = cloudevent.FromHTTP(http.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}, check.JSON(t, e))
		check.Must(t, err)
		if diff := cmp.Diff(e, got); diff != "" {
			t.Errorf("%s changes in structured mode:\n%s", name, diff)
		}
	}
	if got := binary(t, whole).Header.Get("Ce-Subject"); got != "%E8%BD%AC%E8%B4%A6%2050%25%22" {
		t.Errorf("the subject is sent as %s", got)
	}
}

// What other senders write, and what it means.
func TestTheJSONFormat(t *testing.T) {
	t.Parallel()
	const least = `"specversion":"1.0","id":"1","source":"s","type":"t"`
	for text, want := range map[string]*cloudevent.Event{
		`{` + least + `}`: {},
		` {` + least + `,"subject":null,"data":null} `:              {},
		`{"data":{ "n":1},` + least + `}`:                           {Data: []byte(`{ "n":1}`)},
		`{` + least + `,"data":"x"}`:                                {Data: []byte(`"x"`)},
		`{` + least + `,"data_base64":"aGk="}`:                      {Data: []byte("hi")},
		`{` + least + `,"n":1,"b":true,"s":""}`:                     {Extensions: map[string]string{"n": "1", "b": "true", "s": ""}},
		`{"data":"x",` + least + `,"datacontenttype":"text/plain"}`: {DataContentType: "text/plain", Data: []byte("x")},
		`{` + least + `,"time":"2026-11-23T10:00:00+08:00"}`: {
			Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.FixedZone("", 8*3600)),
		},

		``: nil, `null`: nil, `[]`: nil, `{}`: nil, `{` + least + `} x`: nil, `{` + least: nil,
		`{"specversion":"1.0","id":"1","source":"s"}`:                         nil,
		`{"specversion":"1.0","id":"","source":"s","type":"t"}`:               nil,
		`{"specversion":"0.3","id":"1","source":"s","type":"t"}`:              nil,
		`{"id":"1","source":"s","type":"t"}`:                                  nil,
		`{"specversion":"1.0","id":1,"source":"s","type":"t"}`:                nil,
		`{"specversion":"1.0","id":"1","source":"%","type":"t"}`:              nil,
		`{"specversion":"1.0","id":"` + "\xff" + `","source":"s","type":"t"}`: nil,
		`{` + least + `,"id":"2"}`:                                            nil,
		`{` + least + `,"time":"today"}`:                                      nil,
		`{` + least + `,"subject":""}`:                                        nil,
		`{` + least + `,"subject":"\u0000"}`:                                  nil,
		`{` + least + `,"dataschema":"/x"}`:                                   nil,
		`{` + least + `,"datacontenttype":"/"}`:                               nil,
		`{` + least + `,"Ext":"1"}`:                                           nil,
		`{` + least + `,"ext":1.5}`:                                           nil,
		`{` + least + `,"ext":{}}`:                                            nil,
		`{` + least + `,"data":1,"data_base64":"aGk="}`:                       nil,
		`{` + least + `,"data_base64":"!"}`:                                   nil,
	} {
		got, err := cloudevent.FromHTTP(http.Header{"Content-Type": {cloudevent.JSON}}, []byte(text))
		if want == nil {
			if !errors.Is(err, cloudevent.ErrMalformed) {
				t.Errorf("%s gives %v, %v", text, got, err)
			}
			continue
		}
		want.ID, want.Source, want.Type = "1", "s", "t"
		if diff := cmp.Diff(*want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestTheHTTPBinding(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(h http.Header)
		want   string // the subject; "" if refused
	}{
		"as sent":                 {func(http.Header) {}, "a b"},
		"another percent":         {func(h http.Header) { h.Set("Ce-Subject", "100%, %4") }, "100%, %4"},
		"quotation marks":         {func(h http.Header) { h.Set("Ce-Subject", `"a \"b\" %41"`) }, `a "b" A`},
		"no version":              {func(h http.Header) { h.Del("Ce-Specversion") }, ""},
		"another version":         {func(h http.Header) { h.Set("Ce-Specversion", "0.3") }, ""},
		"no id":                   {func(h http.Header) { h.Del("Ce-Id") }, ""},
		"an empty subject":        {func(h http.Header) { h.Set("Ce-Subject", "") }, ""},
		"two subjects":            {func(h http.Header) { h.Add("Ce-Subject", "b") }, ""},
		"no UTF-8":                {func(h http.Header) { h.Set("Ce-Subject", "%FF") }, ""},
		"a media type of its own": {func(h http.Header) { h.Set("Ce-Datacontenttype", "text/plain") }, ""},
		"data in a header":        {func(h http.Header) { h.Set("Ce-Data", "1") }, ""},
		"a dash in a name":        {func(h http.Header) { h.Set("Ce-A-B", "1") }, ""},
		"a batch":                 {func(h http.Header) { h.Set("Content-Type", cloudevent.BatchJSON) }, ""},
		"another format":          {func(h http.Header) { h.Set("Content-Type", "application/cloudevents+xml") }, ""},
	} {
		e := whole
		e.Subject = "a b"
		header := binary(t, e).Header
		tt.change(header)
		got, err := cloudevent.FromHTTP(header, e.Data)
		if tt.want == "" && !errors.Is(err, cloudevent.ErrMalformed) || tt.want != "" && (err != nil || got.Subject != tt.want) {
			t.Errorf("%s: %q, %v", name, got.Subject, err)
		}
	}
}

// The SDK of the CloudEvents project reads what this package writes, and the other way
// round. In binary mode, the SDK sends texts without percent codes.
func TestTheOfficialSDKAgrees(t *testing.T) {
	t.Parallel()
	plain := rapid.StringMatching(`[a-z0-9/:.-]{1,12}`)
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.SampledFrom([]*rapid.Generator[string]{plain, rapid.StringMatching(`[!-~王小明é][ -~王小明é]{0,11}[!-~]`)}).Draw(r, "kind")
		e := cloudevent.Event{
			ID: text.Draw(r, "id"), Source: "/x" + plain.Draw(r, "source"), Type: text.Draw(r, "type"), Subject: text.Draw(r, "subject"),
			DataContentType: "application/json", Time: time.UnixMicro(rapid.Int64Range(1, 4e15).Draw(r, "time")).UTC(),
			Extensions: map[string]string{"ext": text.Draw(r, "extension")}, Data: []byte(`{"n":1}`),
		}
		var theirs sdk.Event
		if err := json.Unmarshal(check.JSON(t, e), &theirs); err != nil {
			r.Fatal(err)
		}
		var back cloudevent.Event
		if err := json.Unmarshal(check.JSON(t, theirs), &back); err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			r.Fatal(diff)
		}
		if text != plain {
			return
		}
		request, err := sdkhttp.NewHTTPRequestFromEvent(t.Context(), "http://127.0.0.1/", theirs)
		check.Must(t, err)
		body, err := io.ReadAll(request.Body)
		check.Must(t, err)
		back, err = cloudevent.FromHTTP(request.Header, body)
		if diff := cmp.Diff(e, back); err != nil || diff != "" {
			r.Fatalf("%v\n%s", err, diff)
		}
		ours := binary(t, e)
		read, err := sdkhttp.NewEventFromHTTPRequest(ours)
		if err != nil || read.ID() != e.ID || read.Subject() != e.Subject || !bytes.Equal(read.Data(), e.Data) {
			r.Fatalf("the SDK reads %v, %v", read, err)
		}
	})
}

// FuzzFromHTTP: what is read is valid, is read again the same from either mode, and the
// SDK reads the same.
func FuzzFromHTTP(f *testing.F) {
	f.Add(cloudevent.JSON, "", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"n":1},"ext":true}`))
	f.Add("text/plain", "1", `"a%20b"`, []byte("hi"))
	f.Add(cloudevent.JSON, "", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"aGk="}`))
	f.Fuzz(func(t *testing.T, media, id, subject string, body []byte) {
		header := http.Header{"Content-Type": {media}}
		if id != "" {
			header["Ce-Id"], header["Ce-Source"], header["Ce-Type"] = []string{id}, []string{"//x"}, []string{"t"}
			header["Ce-Specversion"], header["Ce-Subject"] = []string{"1.0"}, []string{subject}
		}
		e, err := cloudevent.FromHTTP(header, body)
		if err != nil {
			if !errors.Is(err, cloudevent.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		check.Must(t, e.Validate())
		again := binary(t, e)
		back, err := cloudevent.FromHTTP(again.Header, e.Data)
		if err != nil || back.ID != e.ID || back.Subject != e.Subject || !bytes.Equal(back.Data, e.Data) {
			t.Fatalf("%v is read again as %v, %v", e, back, err)
		}
	})
}
