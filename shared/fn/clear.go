package fn

import (
	"encoding/json"
	"reflect"
	"strings"
)

// clearFields are the fields of a reply that hold no personal data, whatever they look
// like. A reply type declares such a field with the tag `clear:"device_id"`, whose
// value says what the field is. For example, a device id may be an IMEI: 15 digits, as
// a card number may have. Fields are named by their path, "accounts.device_id".
type clearFields map[string]bool

// clearFieldsOf finds the tagged fields of a reply, also in lists and embedded structs.
func clearFieldsOf(reply reflect.Type) clearFields {
	found := clearFields{}
	found.add(reply, "")
	return found
}

func (c clearFields) add(t reflect.Type, before string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		path := before + name
		switch {
		case !f.IsExported():
		case f.Anonymous && name == "":
			c.add(f.Type, before)
		case f.Tag.Get("clear") != "":
			c[path] = true
		default:
			c.add(f.Type, path+".")
		}
	}
}

// without returns the reply's JSON without the declared fields.
func (c clearFields) without(body []byte) ([]byte, error) {
	var reply any
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, err //nolint:wrapcheck // the caller hides it
	}
	c.strip(reply, "")
	return json.Marshal(reply) //nolint:wrapcheck // the caller hides it
}

func (c clearFields) strip(value any, before string) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			c.strip(item, before)
		}
	case map[string]any:
		for name, item := range value {
			if c[before+name] {
				delete(value, name)
				continue
			}
			c.strip(item, before+name+".")
		}
	}
}
