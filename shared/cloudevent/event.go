// Package cloudevent reads and writes CloudEvents 1.0: the JSON format, and the HTTP
// binding's binary and structured modes (https://github.com/cloudevents/spec). It
// links no reflection over methods, so that the linker leaves out what a function
// does not call.
package cloudevent

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The media types of events over HTTP.
const (
	JSON      = "application/cloudevents+json"       // one event in structured mode
	BatchJSON = "application/cloudevents-batch+json" // an array of events
)

// ErrMalformed refuses what is no CloudEvent 1.0.
var ErrMalformed = errors.New("cloudevent: malformed")

const specVersion = "1.0"

// Event is one event. An empty optional attribute is not there.
type Event struct {
	ID              string // with Source, unique for each event
	Source          string // a URI reference
	Type            string
	Subject         string // optional
	DataContentType string // optional; an event in the JSON format without it holds JSON
	DataSchema      string // optional; a URI
	Time            time.Time
	Extensions      map[string]string // whole numbers and booleans as their text
	Data            []byte
}

// SetExtension adds an extension attribute. The name has lower-case letters and digits.
func (e *Event) SetExtension(name, value string) {
	if e.Extensions == nil {
		e.Extensions = map[string]string{}
	}
	e.Extensions[name] = value
}

// SetJSON makes the value in JSON the event's data.
func (e *Event) SetJSON(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("cloudevent: %w", err)
	}
	e.DataContentType, e.Data = "application/json", data
	return nil
}

// Clone returns a copy that shares no extension with the event.
func (e Event) Clone() Event {
	e.Extensions = maps.Clone(e.Extensions)
	return e
}

// Validate returns ErrMalformed with the reason if the event breaks a rule of the
// specification.
func (e Event) Validate() error {
	switch {
	case e.ID == "":
		return malformed("no id")
	case e.Type == "":
		return malformed("no type")
	case e.Source == "":
		return malformed("no source")
	}
	if _, err := url.Parse(e.Source); err != nil {
		return malformed("source is no URI reference")
	}
	if schema, err := url.Parse(e.DataSchema); err != nil || e.DataSchema != "" && !schema.IsAbs() {
		return malformed("dataschema is no URI")
	}
	if e.DataContentType != "" {
		if _, _, err := mime.ParseMediaType(e.DataContentType); err != nil {
			return malformed("datacontenttype is no media type")
		}
	}
	for name := range e.Extensions {
		if !validName(name) || known(name) {
			return malformed("an extension has the name " + name)
		}
	}
	return nil
}

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }

func validName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// known reports whether a name is no extension's.
func known(name string) bool {
	return name == "specversion" || name == "data" || name == "time" || new(Event).text(name) != nil
}

// text returns the place of an attribute that is a text; nil if the name is none's.
func (e *Event) text(name string) *string {
	switch name {
	case "id":
		return &e.ID
	case "source":
		return &e.Source
	case "type":
		return &e.Type
	case "subject":
		return &e.Subject
	case "datacontenttype":
		return &e.DataContentType
	case "dataschema":
		return &e.DataSchema
	}
	return nil
}

// set reads an attribute from its text, which is not empty.
func (e *Event) set(name, value string) error {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return malformed("an attribute holds no text")
	}
	switch {
	case name == "specversion":
		if value != specVersion {
			return malformed("specversion is not 1.0")
		}
	case name == "time":
		at, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			return malformed("time is not RFC 3339")
		}
		e.Time = at
	case e.text(name) != nil:
		*e.text(name) = value
	case !validName(name):
		return malformed("an attribute's name has other characters than a-z and 0-9")
	default:
		e.SetExtension(name, value)
	}
	return nil
}

// isJSON reports whether data of the media type is JSON.
func isJSON(mediaType string) bool {
	media, _, err := mime.ParseMediaType(mediaType)
	return mediaType == "" || err == nil && (media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json"))
}
