package cloudevent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
)

// prefix begins the header of each attribute in binary mode.
const prefix = "Ce-"

// FromHTTP reads the event of a request in binary or structured mode. It returns
// ErrMalformed if the request holds none or breaks the specification. A batch is no
// event.
func FromHTTP(header http.Header, body []byte) (e Event, err error) {
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case media == JSON:
		if err := json.Unmarshal(body, &e); err != nil {
			return Event{}, structured(err)
		}
	case strings.HasPrefix(media, "application/cloudevents"):
		return Event{}, malformed("another format than JSON, or a batch")
	default:
		if err := e.readBinary(header, body); err != nil {
			return Event{}, err
		}
	}
	if err := e.Validate(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// structured makes the decoder's own errors ErrMalformed too.
func structured(err error) error {
	if errors.Is(err, ErrMalformed) {
		return err
	}
	return malformed("no JSON")
}

func (e *Event) readBinary(header http.Header, body []byte) error {
	if header.Get(prefix+"Specversion") == "" {
		return malformed("neither binary nor structured mode")
	}
	for field, values := range header {
		name, is := strings.CutPrefix(field, prefix)
		if !is {
			continue
		}
		name = strings.ToLower(name)
		switch {
		case len(values) != 1:
			return malformed("a header comes twice")
		case name == "datacontenttype" || name == "data":
			return malformed("a header has the name " + name)
		case values[0] == "" && known(name):
			return malformed("an attribute is empty")
		}
		if err := e.set(name, decodeHeader(values[0])); err != nil {
			return err
		}
	}
	e.DataContentType = header.Get("Content-Type")
	if len(body) > 0 {
		e.Data = body
	}
	return nil
}

// NewRequest returns the POST of the event to an address, in binary mode.
func NewRequest(ctx context.Context, url string, e Event) (*http.Request, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(e.Data))
	if err != nil {
		return nil, fmt.Errorf("cloudevent: %w", err)
	}
	set := func(name, value string) {
		if value != "" {
			r.Header.Set(prefix+name, encodeHeader(value))
		}
	}
	set("specversion", specVersion)
	set("id", e.ID)
	set("source", e.Source)
	set("type", e.Type)
	set("subject", e.Subject)
	set("dataschema", e.DataSchema)
	if !e.Time.IsZero() {
		set("time", e.Time.UTC().Format(time.RFC3339Nano))
	}
	for name, value := range e.Extensions {
		set(name, value)
	}
	if e.DataContentType != "" {
		r.Header.Set("Content-Type", e.DataContentType)
	}
	return r, nil
}

// encodeHeader writes all but printable ASCII, and the blank, the quotation mark and the
// percent sign, as the percent codes of their bytes.
func encodeHeader(value string) string {
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c > '~' || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// decodeHeader undoes encodeHeader and the quotation marks of other senders. What is no
// percent code stands for itself.
func decodeHeader(value string) string {
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		value = unquote(value[1 : n-1])
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '%' && i+2 < len(value) && isHex(value[i+1]) && isHex(value[i+2]) {
			b.WriteByte(fromHex(value[i+1])<<4 | fromHex(value[i+2]))
			i += 2
			continue
		}
		b.WriteByte(value[i])
	}
	return b.String()
}

// unquote drops the backslash before each character of a quoted text.
func unquote(quoted string) string {
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		if quoted[i] == '\\' && i+1 < len(quoted) {
			i++
		}
		b.WriteByte(quoted[i])
	}
	return b.String()
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func fromHex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
