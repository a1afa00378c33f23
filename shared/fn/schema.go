package fn

import (
	"encoding"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/sm"
)

// schema is the form of a value on the wire. The runtime compiles it once from the type
// of a function's request. It reads the struct tags from which infra/gen writes the API
// reference, so the documented bounds are the enforced bounds:
//
//   - json: a field without omitempty is required;
//   - minLength, maxLength: characters of a text (of bytes: of their base64);
//   - minimum, maximum: bounds of a number;
//   - minItems, maxItems: number of items of a list;
//   - enum: the allowed texts;
//   - pattern: a regular expression, anchored with ^ and $, that the whole text must match;
//   - format: uuid, date, sm2-public-key, sealed-password.
//
// No value may be null: a client leaves an optional field out.
type schema struct {
	kind        shape
	bits        int // size of an integer
	fields      map[string]*schema
	required    []string
	item        *schema
	least, most *int64 // of a number's value, a text's characters or a list's items
	enum        []string
	pattern     *regexp.Regexp         // nil: any text
	fits        func(text string) bool // the format; nil: any text
}

// shape is the kind of a JSON value.
type shape int

const (
	anObject shape = iota + 1
	aList
	aText
	aNumber
	aBool
)

// The bounds' tags of each shape. A tag that the decoder does not enforce would be a
// promise of the API reference that the bank does not keep, so schemaOf refuses it.
var (
	boundTags = map[shape][2]string{
		aText: {"minLength", "maxLength"}, aNumber: {"minimum", "maximum"}, aList: {"minItems", "maxItems"},
	}
	notEnforced = []string{
		"multipleOf", "exclusiveMinimum", "exclusiveMaximum", "uniqueItems", "minProperties", "maxProperties",
		"dependentRequired", "required", "additionalProperties",
	}
)

var errSchema = errors.New("the request has a field that the decoder can't check")

// formats are the formats of texts, by their names in the format tag.
var formats = map[string]func(text string) bool{
	"uuid": func(text string) bool { // in the canonical form only
		id, err := uuid.Parse(text)
		return err == nil && strings.EqualFold(id.String(), text)
	},
	"date": func(text string) bool {
		_, err := time.Parse(time.DateOnly, text)
		return err == nil
	},
	// Only the function that verifies the password opens it (docs/protocol.md, section 6).
	"sealed-password": isBase64,
	"sm2-public-key": func(text string) bool {
		der, ok := decodeBase64(text)
		if !ok {
			return false
		}
		_, err := sm.ParsePublicKey(der)
		return err == nil
	},
}

func isBase64(text string) bool {
	_, ok := decodeBase64(text)
	return ok
}

func decodeBase64(text string) (raw []byte, ok bool) {
	if strings.ContainsAny(text, "\r\n") { // the decoder would skip them
		return nil, false
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	return raw, err == nil
}

// schemaOf compiles the schema of a request's type.
func schemaOf(of reflect.Type) (*schema, error) { return compile(of, "") }

func compile(of reflect.Type, tag reflect.StructTag) (*schema, error) {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	s := &schema{}
	var err error
	_, readsText := reflect.New(of).Interface().(encoding.TextUnmarshaler)
	switch {
	case readsText:
		s.kind = aText
		if tag.Get("format") == "" {
			return nil, fmt.Errorf("%w: %v needs a format", errSchema, of)
		}
	case of.Kind() == reflect.Struct:
		s.kind, s.fields = anObject, map[string]*schema{}
		err = s.addFields(of)
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Uint8:
		s.kind, s.fits = aText, isBase64
	case of.Kind() == reflect.Slice:
		s.kind = aList
		s.item, err = compile(of.Elem(), "")
	case of.Kind() == reflect.String:
		s.kind = aText
	case of.Kind() == reflect.Bool:
		s.kind = aBool
	case of.Kind() >= reflect.Int && of.Kind() <= reflect.Int64:
		s.kind, s.bits = aNumber, of.Bits()
	default:
		err = fmt.Errorf("%w: %v", errSchema, of)
	}
	if err != nil {
		return nil, err
	}
	return s, s.readTags(tag)
}

// addFields adds the fields of a struct, and the fields of the structs that it embeds.
func (s *schema) addFields(of reflect.Type) error {
	for f := range of.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			if err := s.addFields(f.Type); err != nil {
				return err
			}
			continue
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			return fmt.Errorf("%w: %v.%s has no name on the wire", errSchema, of, f.Name)
		}
		field, err := compile(f.Type, f.Tag)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		s.fields[name] = field
		if !slices.Contains(strings.Split(options, ","), "omitempty") {
			s.required = append(s.required, name)
		}
	}
	return nil
}

func (s *schema) readTags(tag reflect.StructTag) error {
	for _, name := range notEnforced {
		if _, found := tag.Lookup(name); found {
			return fmt.Errorf("%w: tag %s", errSchema, name)
		}
	}
	for shape, names := range boundTags {
		for i, bound := range []**int64{&s.least, &s.most} {
			text, found := tag.Lookup(names[i])
			if !found {
				continue
			}
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || shape != s.kind {
				return fmt.Errorf("%w: tag %s", errSchema, names[i])
			}
			*bound = &n
		}
	}
	return s.readText(tag)
}

// readText reads the tags that only a text may have.
func (s *schema) readText(tag reflect.StructTag) error {
	if text, found := tag.Lookup("enum"); found {
		s.enum = strings.Split(text, ",")
	}
	if name, found := tag.Lookup("format"); found {
		s.fits = formats[name]
		if s.fits == nil {
			return fmt.Errorf("%w: format %s", errSchema, name)
		}
	}
	if text, found := tag.Lookup("pattern"); found {
		if err := s.readPattern(text); err != nil {
			return err
		}
	}
	if (s.enum != nil || s.fits != nil || s.pattern != nil) && s.kind != aText {
		return fmt.Errorf("%w: enum, pattern or format of a value that is no text", errSchema)
	}
	return nil
}

// readPattern refuses a pattern without both anchors: it would take any text around what
// it describes.
func (s *schema) readPattern(text string) (err error) {
	if !strings.HasPrefix(text, "^") || !strings.HasSuffix(text, "$") {
		return fmt.Errorf("%w: pattern %s is not anchored", errSchema, text)
	}
	if s.pattern, err = regexp.Compile(text); err != nil {
		return fmt.Errorf("%w: pattern: %w", errSchema, err)
	}
	return nil
}
