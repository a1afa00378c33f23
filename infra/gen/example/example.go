// Package example makes one valid request from a request's type, for the API
// reference and for the tests that call every function.
//
// The example holds every required field. It holds an optional field (omitempty) only
// if the field has an `example` tag. The value comes from the first of these tags
// that the field has: example, enum, format (uuid, date, sm2-public-key), minimum.
// The example of bytes is base64, as on the wire. A list has one element.
package example

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
)

// PublicKey is some SM2 public key, PKIX DER in base64. Its private key is lost.
const PublicKey = "MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAEzgwhHMLcQzBzJe+xLlSrPdVuH5Lscuj" +
	"W7qnsCRFOfezY5D6iOg2u9gXR3B9bxlb/UCNFglQu32lKthLPEVjy6w=="

// Bytes is base64, as an example of a signature or a sealed text.
const Bytes = "ZXhhbXBsZQ=="

// namespace gives the same field the same id in each run.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://tidebank.example/field"))

var errTag = errors.New("example: the tag does not fit the field's type")

// Of returns an example of a struct type, as encoding/json would decode it into a
// map. An error names a field without an example.
func Of(of reflect.Type) (map[string]any, error) {
	object := map[string]any{}
	if err := fill(object, of); err != nil {
		return nil, err
	}
	return object, nil
}

func fill(object map[string]any, of reflect.Type) error {
	if of.Kind() != reflect.Struct {
		return fmt.Errorf("%w: %v is no struct", errTag, of)
	}
	for f := range of.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		_, given := f.Tag.Lookup("example")
		switch {
		case f.Anonymous && name == "":
			if err := fill(object, f.Type); err != nil {
				return err
			}
			continue
		case !f.IsExported() || name == "-" || strings.Contains(options, "omitempty") && !given:
			continue
		case name == "":
			name = f.Name
		}
		value, err := valueOf(f.Type, name, f.Tag)
		if err != nil {
			return fmt.Errorf("%v.%s: %w", of, f.Name, err)
		}
		object[name] = value
	}
	return nil
}

func valueOf(of reflect.Type, name string, tag reflect.StructTag) (any, error) {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	text, given := tag.Lookup("example")
	if !given {
		text, _, _ = strings.Cut(tag.Get("enum"), ",")
	}
	bytes := of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Uint8
	_, isText := reflect.New(of).Interface().(encoding.TextUnmarshaler)
	isText = isText || bytes || of.Kind() == reflect.String
	switch {
	case text != "" && isText:
		return text, nil
	case text != "":
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			return nil, fmt.Errorf("%w: %w", errTag, err)
		}
		return value, nil
	case tag.Get("format") == "uuid":
		return uuid.NewSHA1(namespace, []byte(name)).String(), nil
	case tag.Get("format") == "sm2-public-key":
		return PublicKey, nil
	case tag.Get("format") == "date":
		return "2026-11-23", nil
	case of == reflect.TypeFor[time.Time]():
		return "2026-11-23T10:00:00+08:00", nil
	case bytes:
		return Bytes, nil
	}
	return byKind(of, name, tag)
}

func byKind(of reflect.Type, name string, tag reflect.StructTag) (any, error) {
	switch of.Kind() {
	case reflect.String:
		return "", nil
	case reflect.Bool:
		return false, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		least := tag.Get("minimum")
		if least == "" {
			least = "0"
		}
		return json.Number(least), nil
	case reflect.Slice:
		element, err := valueOf(of.Elem(), name, "")
		return []any{element}, err
	case reflect.Struct:
		return Of(of)
	default:
		return nil, fmt.Errorf("%w: no example of %v", errTag, of)
	}
}
