package fn

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidebank/tidebank/shared/bankerr"
)

// Validator is a request that checks its own form beyond its types.
type Validator interface{ Validate() error }

// InvalidField refuses a request because of one field, named as on the wire.
func InvalidField(field, why string) error { return bankerr.InvalidField(field, why) }

// decode reads one JSON value strictly: it refuses each value that does not fit its
// schema, and any text after the value (INPUT-001, LOGIC-003). Then it runs Validate. A
// refusal names the field as on the wire. A text that is no JSON value names none.
func decode[T any](raw []byte, of *schema) (T, error) {
	var value T
	failed := json.Unmarshal(raw, &value)
	if syntax := (*json.SyntaxError)(nil); errors.As(failed, &syntax) {
		return value, bankerr.ErrInput.Because(fmt.Errorf("decode: %w", failed))
	}
	err := of.check(&walk{text: raw})
	var wrong *mismatch
	switch {
	case errors.As(err, &wrong) && wrong.path != "":
		return value, InvalidField(wrong.path, wrong.why)
	case err != nil:
		return value, bankerr.ErrInput.Because(fmt.Errorf("decode: %w", err))
	case failed != nil:
		return value, bankerr.ErrInput.Because(fmt.Errorf("decode: %w", failed))
	}
	if v, ok := any(value).(Validator); ok {
		return value, v.Validate()
	}
	return value, nil
}

// mismatch is a value that does not fit its schema. path is its place on the wire, for
// example proofs[1].code, and "" for the request itself.
type mismatch struct{ path, why string }

func (m *mismatch) Error() string { return m.path + ": " + m.why }

func unfit(path, why string) error { return &mismatch{path: path, why: why} }

// within adds the place of the value that holds the unfit value to the path.
func within(place string, err error) error {
	var wrong *mismatch
	if !errors.As(err, &wrong) {
		return err
	}
	inner := wrong.path
	if inner != "" && inner[0] != '[' {
		inner = "." + inner
	}
	return unfit(place+inner, wrong.why)
}

// check passes the next value and compares it with the schema. Two names in an object
// that differ only in case are not the same name, and no name may come twice: another
// program might use the other value.
func (s *schema) check(w *walk) error {
	switch c := w.peek(); {
	case c == '{' && s.kind == anObject:
		return s.checkObject(w)
	case c == '[' && s.kind == aList:
		return s.checkList(w)
	case c == '"' && s.kind == aText:
		return s.checkText(w.readText())
	case (c == '-' || '0' <= c && c <= '9') && s.kind == aNumber:
		return s.checkNumber(string(w.pass()))
	case (c == 't' || c == 'f') && s.kind == aBool:
		w.pass()
		return nil
	case c == 'n':
		return unfit("", "null")
	}
	return unfit("", "wrong type")
}

func (s *schema) checkObject(w *walk) error {
	seen := make([]string, 0, len(s.fields))
	err := w.members(func(name string) error {
		field, known := s.fields[name]
		switch {
		case !known:
			return unfit(tellable(name), "a field that is not known")
		case slices.Contains(seen, name):
			return unfit(name, "a name that comes twice")
		}
		seen = append(seen, name)
		if err := field.check(w); err != nil {
			return within(name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range s.required {
		if !slices.Contains(seen, name) {
			return unfit(name, "missing")
		}
	}
	return nil
}

// fieldName is the form of names that the bank tells back.
var fieldName = regexp.MustCompile(`^[A-Za-z_]{1,60}[0-9]{0,4}$`)

// tellable is the name of an unknown field, if it looks like a name: another text may be
// personal data, or of any length. "" stands for such a text.
func tellable(name string) string {
	if fieldName.MatchString(name) {
		return name
	}
	return ""
}

func (s *schema) checkList(w *walk) error {
	n := int64(0)
	err := w.items(func(i int64) error {
		if s.most != nil && i == *s.most {
			return unfit("", "too many items")
		}
		n = i + 1
		if err := s.item.check(w); err != nil {
			return within("["+strconv.FormatInt(i, 10)+"]", err)
		}
		return nil
	})
	if err == nil && s.least != nil && n < *s.least {
		return unfit("", "too few items")
	}
	return err
}

// checkText also refuses what encoding/json has put in the place of bytes that are not
// UTF-8 and of half a surrogate pair, so that no two texts become one. It refuses a NUL,
// which PostgreSQL can't store.
func (s *schema) checkText(text string) error {
	length := int64(utf8.RuneCountInString(text))
	switch {
	case strings.ContainsAny(text, "\x00\ufffd"):
		return unfit("", "not UTF-8, or holds a NUL")
	case s.least != nil && length < *s.least:
		return unfit("", "too short")
	case s.most != nil && length > *s.most:
		return unfit("", "too long")
	case s.enum != nil && !slices.Contains(s.enum, text):
		return unfit("", "not one of the allowed values")
	case s.pattern != nil && !s.pattern.MatchString(text), s.fits != nil && !s.fits(text):
		return unfit("", "wrong format")
	}
	return nil
}

func (s *schema) checkNumber(number string) error {
	n, err := strconv.ParseInt(number, 10, s.bits)
	switch {
	case err != nil:
		return unfit("", "no whole number, or too large")
	case s.least != nil && n < *s.least:
		return unfit("", "too small")
	case s.most != nil && n > *s.most:
		return unfit("", "too large")
	}
	return nil
}

// validKey reports whether an idempotency key is at most 64 printable ASCII
// characters; "" is no key.
func validKey(key string) bool {
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(key) <= maxKeyLength
}

// envelope is the clear text of a sealed request.
type envelope struct {
	Key     string
	keyed   bool // the key was there
	Request json.RawMessage
}

// openEnvelope reads {"idempotency_key": text, "request": value} as strictly as
// decode.
func openEnvelope(clear []byte) (e envelope, err error) {
	w := &walk{text: clear}
	switch {
	case !json.Valid(clear):
		err = errors.New("not one JSON value")
	case w.peek() != '{':
		err = errors.New("no object")
	default:
		err = w.members(func(name string) error { return e.take(name, w) })
	}
	var field *bankerr.FieldError
	switch {
	case errors.As(err, &field):
		return envelope{}, err
	case err != nil:
		return envelope{}, bankerr.ErrInput.Because(fmt.Errorf("envelope: %w", err))
	case e.Request == nil || string(e.Request) == "null":
		return envelope{}, InvalidField("request", "missing or null")
	}
	return e, nil
}

// take takes the next member of the envelope.
func (e *envelope) take(name string, w *walk) error {
	switch name {
	case "idempotency_key":
		if e.keyed {
			return InvalidField(name, "a name that comes twice")
		}
		if w.peek() != '"' {
			return InvalidField(name, "no text")
		}
		e.Key, e.keyed = w.readText(), true
	case "request":
		if e.Request != nil {
			return InvalidField(name, "a name that comes twice")
		}
		e.Request = w.pass()
	default:
		return unknownMember(name)
	}
	return nil
}

// unknownMember refuses a member of the envelope, by its name if the bank tells it.
func unknownMember(name string) error {
	if told := tellable(name); told != "" {
		return InvalidField(told, "a field that is not known")
	}
	return errors.New("a field that is not known")
}
