package fn

import (
	"context"
	"reflect"
	"slices"

	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/host"
)

// StageNames is the order of enforcement.
func StageNames() []string {
	names := make([]string, len(stages))
	for i, s := range stages {
		names[i] = s.name
	}
	return names
}

// Without is the function with one stage taken out.
func Without(f Function, name string) Function {
	open := f.open
	f.open = func(ctx context.Context, h *host.Host, settings host.Settings) (handler.FunctionHandler, error) {
		entry, err := open(ctx, h, settings)
		if err != nil {
			return nil, err
		}
		opened := entry.(*httpHandler) // only HTTP functions have stages
		opened.stages = slices.DeleteFunc(slices.Clone(opened.stages), func(s stage) bool { return s.name == name })
		return opened, nil
	}
	return f
}

// Decode is the strict decoder.
func Decode[T any](raw []byte) (T, error) { return Decoder[T]()(raw) }

// Decoder compiles the schema once, as a function does.
func Decoder[T any]() func(raw []byte) (T, error) {
	schema, err := schemaOf(reflect.TypeFor[T]())
	if err != nil {
		panic(err)
	}
	return func(raw []byte) (T, error) { return decode[T](raw, schema) }
}

// CheckSchema reports why the decoder can't check a request's type.
func CheckSchema[T any]() error {
	_, err := schemaOf(reflect.TypeFor[T]())
	return err
}

// OpenEnvelope reads the key and the request of an opened frame.
func OpenEnvelope(clear []byte) (key string, request []byte, err error) {
	e, err := openEnvelope(clear)
	return e.Key, e.Request, err
}

// Fingerprint is the fingerprint without the members that are named.
func Fingerprint(raw []byte, left ...string) ([]byte, error) { return fingerprint{left: left}.of(raw) }
