package cloudevent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// MarshalJSON writes the event in the JSON format. Data that is no JSON is written in
// base64.
func (e Event) MarshalJSON() ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	fields := map[string]any{"specversion": specVersion, "id": e.ID, "source": e.Source, "type": e.Type}
	for name, value := range e.Extensions {
		fields[name] = value
	}
	for _, name := range []string{"subject", "datacontenttype", "dataschema"} {
		if value := *e.text(name); value != "" {
			fields[name] = value
		}
	}
	if !e.Time.IsZero() {
		fields["time"] = e.Time.UTC().Format(time.RFC3339Nano)
	}
	switch {
	case e.Data == nil:
	case isJSON(e.DataContentType):
		fields["data"] = json.RawMessage(e.Data)
	default:
		fields["data_base64"] = e.Data
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("cloudevent: %w", err)
	}
	return text, nil
}

// UnmarshalJSON reads an event in the JSON format. It refuses a name that comes twice:
// another reader might use the other value. It checks the types of the attributes, and
// Validate checks the rest.
func (e *Event) UnmarshalJSON(text []byte) error {
	if !utf8.Valid(text) {
		return malformed("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return malformed("no JSON object")
	}
	*e = Event{}
	var seen []string
	var data dataField
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return malformed("no JSON")
		}
		name, _ := key.(string)
		if slices.Contains(seen, name) {
			return malformed("a name comes twice")
		}
		seen = append(seen, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return malformed("no JSON")
		}
		if err := e.member(name, value, &data); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return malformed("no JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed("more than one value")
	}
	if !slices.Contains(seen, "specversion") {
		return malformed("no specversion")
	}
	return data.into(e)
}

// dataField is the data as the JSON format holds it, in one of two members.
type dataField struct{ value, base64 json.RawMessage }

// member reads one member of the JSON object. A null is a member that is not there.
func (e *Event) member(name string, value json.RawMessage, data *dataField) error {
	switch {
	case name == "data":
		data.value = value // also null, which is a JSON value
		return nil
	case string(value) == "null":
		return nil
	case name == "data_base64":
		data.base64 = value
		return nil
	}
	text, err := attribute(value, name == "specversion" || name == "time" || e.text(name) != nil)
	if err != nil {
		return err
	}
	return e.set(name, text)
}

// attribute returns the text of an attribute's JSON value. An extension may also be a
// boolean or a whole number of 32 bits.
func attribute(value json.RawMessage, mustBeText bool) (string, error) {
	var text string
	if json.Unmarshal(value, &text) == nil {
		if text == "" && mustBeText {
			return "", malformed("an attribute is empty")
		}
		return text, nil
	}
	plain := string(value)
	_, err := strconv.ParseInt(plain, 10, 32)
	if mustBeText || err != nil && plain != "true" && plain != "false" {
		return "", malformed("an attribute has a wrong type")
	}
	return plain, nil
}

// into sets the event's data, when its media type is known.
func (d dataField) into(e *Event) error {
	switch {
	case d.value != nil && d.base64 != nil:
		return malformed("data and data_base64")
	case d.base64 != nil:
		if json.Unmarshal(d.base64, &e.Data) != nil {
			return malformed("data_base64 is no base64")
		}
	case d.value == nil || string(d.value) == "null":
	case isJSON(e.DataContentType):
		e.Data = d.value
	default: // a text stands for itself
		var text string
		if json.Unmarshal(d.value, &text) != nil {
			e.Data = d.value
			break
		}
		e.Data = []byte(text)
	}
	return nil
}
