package fn

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// fingerprint makes of a request's text what two requests under one key must have
// alike. Fields tagged `idem:"-"` are no part of it: proofs and sealed passwords
// are other bytes each time they are made, and are made anew when an app has lost
// its channel with the answer. That they mean the same under one key is the app's
// word; a repetition has no effect that it could be wrong about.
type fingerprint struct{ left []string }

// fingerprintOf finds the tagged fields of a request, also in what it embeds.
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

// of is the fingerprint of a text that has been decoded well.
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
