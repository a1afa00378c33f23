package fn

import (
	"encoding/json"
	"reflect"
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

// of returns the fingerprint of a text that has decoded without error.
func (s fingerprint) of(raw json.RawMessage) ([]byte, error) {
	if len(s.left) == 0 {
		return raw, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, bankerr.ErrInput.Because(err)
	}
	for _, name := range s.left {
		delete(fields, name)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return nil, bankerr.ErrInternal.Because(err)
	}
	return text, nil
}
