package fn

import (
	"context"
	"reflect"
	"slices"

	handler "github.com/openfaas/templates-sdk/go-http"
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
	f.open = func(ctx context.Context, host *Host) (handler.FunctionHandler, error) {
		entry, err := open(ctx, host)
		if err != nil {
			return nil, err
		}
		h := entry.(*httpHandler) // only HTTP functions have stages
		h.stages = slices.DeleteFunc(slices.Clone(h.stages), func(s stage) bool { return s.name == name })
		return h, nil
	}
	return f
}

// Decode is the strict decoder.
func Decode[T any](raw []byte) (T, error) { return decode[T](raw, namesOf(reflect.TypeFor[T]())) }
