package fn

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// walk reads a text of one valid JSON value from left to right, without a copy of what it
// passes. It does not look for mistakes in the text: whoever makes one has asked
// encoding/json first.
type walk struct {
	text []byte
	at   int
}

// peek passes white space and returns the first byte of what follows.
func (w *walk) peek() byte {
	for w.text[w.at] <= ' ' {
		w.at++
	}
	return w.text[w.at]
}

// enters passes the byte if it comes next.
func (w *walk) enters(c byte) bool {
	if w.peek() != c {
		return false
	}
	w.at++
	return true
}

// members calls each with the name of each member of an object; each passes the value.
func (w *walk) members(each func(name string) error) error {
	w.enters('{')
	for !w.enters('}') {
		name := w.readText()
		w.enters(':')
		if err := each(name); err != nil {
			return err
		}
		w.enters(',')
	}
	return nil
}

// items calls each with the index of each item of a list; each passes the item.
func (w *walk) items(each func(i int64) error) error {
	w.enters('[')
	for i := int64(0); !w.enters(']'); i++ {
		if err := each(i); err != nil {
			return err
		}
		w.enters(',')
	}
	return nil
}

// readText passes a text and returns it. Like encoding/json it puts U+FFFD in the place
// of bytes that are not UTF-8 and of half a surrogate pair.
func (w *walk) readText() (text string) {
	raw := w.pass()
	inner := raw[1 : len(raw)-1]
	if utf8.Valid(inner) && bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	if err := json.Unmarshal(raw, &text); err != nil {
		return "\ufffd" // never: the text is valid. checkText refuses it.
	}
	return text
}

// pass passes one value and returns it as it stands in the text.
func (w *walk) pass() json.RawMessage {
	w.peek()
	from := w.at
	for depth := 0; ; {
		switch w.peek() {
		case '{', '[':
			depth++
			w.at++
		case '}', ']':
			depth--
			w.at++
		case ',', ':':
			w.at++
		case '"':
			w.passText()
		default:
			w.passWord()
		}
		if depth == 0 {
			return json.RawMessage(w.text[from:w.at])
		}
	}
}

func (w *walk) passText() {
	for w.at++; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
}

// passWord passes a number, true, false or null.
func (w *walk) passWord() {
	for w.at < len(w.text) && bytes.IndexByte([]byte(",]} \t\r\n"), w.text[w.at]) < 0 {
		w.at++
	}
}
