package host

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/tidebank/tidebank/shared/address"
	"github.com/tidebank/tidebank/shared/downstream"
)

// Settings fills a configuration, a pointer to a struct. It refuses values that make
// no sense; the error names the key.
type Settings func(into any) error

// Operator is the name for which the credentials of an operator's commands are sealed.
const Operator = "operator"

// Environment reads the environment of an operator's command. See EnvironmentOf.
func Environment(into any) error { return EnvironmentOf(Operator)(into) }

// EnvironmentOf returns the settings of a process: it reads the process's environment.
//
// A text that is required or has a default must not be empty. A number or a duration
// must be positive, and must fit in an int32 of units or seconds. The tags min and
// max set other bounds (`min:"0"`, `max:"15m"`). Unless FN_ALLOW_PLAINTEXT is true, every
// connection to a store or a partner must be encrypted. A key with the tag `secret:"true"` may hold its value encrypted
// for this process, or name a file or a secret that holds it (secretForms).
func EnvironmentOf(process string) Settings {
	return func(into any) error { return environment(process, into) }
}

func environment(process string, into any) error {
	err := envconfig.Process("", into)
	var unread *envconfig.ParseError
	switch {
	case errors.As(err, &unread):
		return fmt.Errorf("%w: %s is %q, and must be %s", ErrSetting, unread.KeyName, unread.Value, form(unread.TypeName))
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSetting, err)
	}
	secrets, err := secretsOf(process)
	if err != nil {
		return err
	}
	if err := secrets.read(reflect.ValueOf(into).Elem()); err != nil {
		return err
	}
	if err := Check(into); err != nil {
		return err
	}
	return allowed(reflect.ValueOf(into).Elem())
}

// allowed refuses connections in clear, unless FN_ALLOW_PLAINTEXT allows them.
func allowed(v reflect.Value) error {
	var transport struct {
		Plaintext bool `envconfig:"FN_ALLOW_PLAINTEXT" default:"false"`
	}
	if err := envconfig.Process("", &transport); err != nil {
		return fmt.Errorf("%w: FN_ALLOW_PLAINTEXT must be true or false", ErrSetting)
	}
	if transport.Plaintext {
		return nil
	}
	return encrypted(v)
}

// encrypted refuses a configuration that sends data in clear over a network. Each part
// that has a way to send data judges itself.
func encrypted(v reflect.Value) error {
	if part, ok := v.Interface().(interface{ Encrypted() error }); ok {
		switch err := part.Encrypted(); {
		case errors.Is(err, downstream.ErrClear):
			return fmt.Errorf("%w: %w (FN_ALLOW_PLAINTEXT=true allows it, for tests on one machine)", ErrSetting, err)
		case err != nil: // no address at all
			return fmt.Errorf("%w: %w", ErrSetting, err)
		}
		return nil
	}
	for i := range v.NumField() {
		if field := v.Field(i); field.Kind() == reflect.Struct && v.Type().Field(i).IsExported() {
			if err := encrypted(field); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkText(key string, tag reflect.StructTag, text string) error {
	_, hasDefault := tag.Lookup("default")
	switch {
	case strings.TrimSpace(text) == "" && (tag.Get("required") == "true" || hasDefault):
		return fmt.Errorf("%w: %s is empty", ErrSetting, key)
	case tag.Get("form") == "http" && text != "" && !isHTTP(text): // the error does not show it: it may hold a password
		return fmt.Errorf("%w: %s is not an http or https address", ErrSetting, key)
	case tag.Get("form") == "origins" && text != "" && !areOrigins(text):
		return fmt.Errorf("%w: %s is not a list of origins such as https://m.bank.example", ErrSetting, key)
	}
	return nil
}

// isHTTP reports whether the text is an address of HTTP with a host and, if it names a
// port, one that exists.
func isHTTP(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return false
	}
	port, err := strconv.Atoi(cmp.Or(u.Port(), "80"))
	return err == nil && port > 0 && port < 1<<16
}

// form describes how to write a value of a type that is not text.
func form(typeName string) string {
	if typeName == reflect.TypeFor[address.Networks]().String() {
		return address.Form
	}
	if typeName == reflect.TypeFor[bool]().String() {
		return "true or false"
	}
	if typeName == reflect.TypeFor[time.Duration]().String() {
		return "a duration such as 10s or 5m"
	}
	return "a whole number"
}

// ErrNoValue reports that Values holds no value for a part of a configuration.
var ErrNoValue = errors.New("configuration: no value was given")

// Values fills a configuration from values: each part takes the value of its own
// type. A configuration needs no value if it has no fields, or only texts that may be empty.
func Values(values ...any) Settings {
	given := map[reflect.Type]reflect.Value{}
	for _, v := range values {
		given[reflect.TypeOf(v)] = reflect.ValueOf(v)
	}
	var fill func(into reflect.Value) error
	fill = func(into reflect.Value) error {
		if v, ok := given[into.Type()]; ok {
			into.Set(v)
			return nil
		}
		if into.Kind() != reflect.Struct {
			return fmt.Errorf("%w: %v", ErrNoValue, into.Type())
		}
		for i := range into.NumField() {
			if optional(into.Type().Field(i)) {
				continue
			}
			if err := fill(into.Field(i)); err != nil {
				return err
			}
		}
		return nil
	}
	return func(into any) error {
		if err := fill(reflect.ValueOf(into).Elem()); err != nil {
			return err
		}
		return Check(into)
	}
}

// optional reports whether a field is a text that the environment may leave out.
func optional(f reflect.StructField) bool {
	return f.Type.Kind() == reflect.String && f.Tag.Get("envconfig") != "" && f.Tag.Get("required") == "" && f.Tag.Get("default") == ""
}

// ErrSetting reports that a configuration key has a value that makes no sense.
var ErrSetting = errors.New("configuration")

// Check refuses a configuration with a value out of its bounds.
func Check(config any) error { return check(reflect.ValueOf(config).Elem()) }

func check(v reflect.Value) error {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if value.Kind() == reflect.Struct {
			if err := check(value); err != nil {
				return err
			}
			continue
		}
		if key := field.Tag.Get("envconfig"); key != "" {
			if err := checkField(key, field.Tag, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkField(key string, tag reflect.StructTag, value reflect.Value) error {
	switch {
	case value.Kind() == reflect.String:
		return checkText(key, tag, value.String())
	case value.CanInt():
		parse := func(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }
		show := func(n int64) string { return strconv.FormatInt(n, 10) }
		low, high := int64(1), int64(math.MaxInt32)
		if value.Type() == reflect.TypeFor[time.Duration]() {
			parse = func(text string) (int64, error) { d, err := time.ParseDuration(text); return int64(d), err }
			show = func(n int64) string { return time.Duration(n).String() }
			low, high = int64(time.Millisecond), int64(math.MaxInt32)*int64(time.Second)
		}
		for name, bound := range map[string]*int64{"min": &low, "max": &high} {
			if text := tag.Get(name); text != "" {
				n, err := parse(text)
				if err != nil {
					return fmt.Errorf("%w: tag %s of %s: %w", ErrSetting, name, key, err)
				}
				*bound = n
			}
		}
		if n := value.Int(); n < low || n > high {
			return fmt.Errorf("%w: %s is %s, and must be between %s and %s", ErrSetting, key, show(n), show(low), show(high))
		}
	}
	return nil
}
