package fn

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// fingerprint makes the part of a request's text that two requests under one key must
// share. It leaves out fields tagged `idem:"-"`. Those are proofs and sealed
// passwords. Their bytes differ each time, and an app makes new ones when it has lost
// its channel before the answer. The runtime does not check that they mean the same.
// This is safe, because a repeated request has no effect.
type fingerprint struct{ left []string }

// fingerprintOf finds the tagged fields of a request, also in embedded structs.
func fingerprintOf(request reflect.Type) (s fingerprint) {
	if request.Kind() != reflect.Struct {
		return s
	}
	for f := range request.Fields() {
		switch name, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
		case f.Anonymous:
			s.left = append(s.left, fingerprintOf(f.Type).left...)
		case f.Tag.Get("idem") == "-":
			s.left = append(s.left, name)
		}
	}
	return s
}

// of returns the fingerprint of a text that has decoded without error: its other members
// by name, without white space.
func (s fingerprint) of(raw json.RawMessage) ([]byte, error) {
	if len(s.left) == 0 {
		return raw, nil
	}
	type member struct {
		name  string
		value json.RawMessage
	}
	var members []member
	w := &walk{text: raw}
	err := w.members(func(name string) error {
		if value := w.pass(); !slices.Contains(s.left, name) {
			members = append(members, member{name, value})
		}
		return nil
	})
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	text := bytes.NewBufferString("{")
	for i, m := range members {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(`"` + m.name + `":`)
		err = errors.Join(err, json.Compact(text, m.value))
	}
	text.WriteByte('}')
	if err != nil {
		return nil, bankerr.ErrInternal.Because(err)
	}
	// The same text as json.Marshal makes of a map: earlier releases took that one, and a
	// request may be repeated after an upgrade.
	var escaped bytes.Buffer
	json.HTMLEscape(&escaped, text.Bytes())
	return escaped.Bytes(), nil
}
