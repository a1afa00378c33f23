package bankerr

// FieldError names the request's field that was wrong, as on the wire, so that a
// form can put its focus there (ERR-004).
type FieldError struct {
	Field, Why string   // Why is for logs
	Rules      []string // the names of the rules that the field breaks, if the refusal has such rules
	Advice     string   // in place of the code's advice to the customer, if it is not empty
}

// Error is for logs.
func (e *FieldError) Error() string { return e.Field + ": " + e.Why }

// InvalidField refuses a request because of one field, named as on the wire.
func InvalidField(field, why string) error {
	return ErrInput.Because(&FieldError{Field: field, Why: why})
}
