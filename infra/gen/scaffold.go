package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

var (
	nameForm  = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	errScheme = errors.New("--domain and --op are lower-case words, e.g. --domain transfer --op cancel")
	errExists = errors.New("there is such a function already")
)

// scaffoldFunction writes a function that compiles and answers, and a test that
// calls it; the author replaces both.
func scaffoldFunction(domain, op string) error {
	if !nameForm.MatchString(domain) || !nameForm.MatchString(op) {
		return errScheme
	}
	dir := filepath.Join("functions", domain, op)
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("%s: %w", dir, errExists)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // source folder
		return fmt.Errorf("scaffold: %w", err)
	}
	data := map[string]string{"Domain": domain, "Op": op}
	for name, text := range map[string]string{"handler.go": handlerTemplate, "handler_test.go": testTemplate} {
		source, err := render(text, data)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), source, 0o644); err != nil { //nolint:gosec // source file
			return fmt.Errorf("scaffold: %w", err)
		}
	}
	fmt.Println("wrote", dir+": say what it decides, then run make gen")
	return generate()
}

const handlerTemplate = `// Package {{.Op}} says here, in one sentence, what it decides.
//
//	POST /function/{{.Domain}}-{{.Op}}   session
package {{.Op}}

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.Query(fn.Spec{
	Name: "{{.Domain}}-{{.Op}}", Summary: "Say what it does", Audience: fn.Customer,
	Requirements: []string{"LOGIC-005"},
}, wire)

// Config is what the function reads from the environment.
type Config struct{}

// Request is what the app sends.
type Request struct{}

// Response is what the app gets.
type Response struct{}

func wire(_ context.Context, _ *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(context.Context, *fn.Call, Request) (Response, error) { return Response{}, nil }, nil
}
`

const testTemplate = `package {{.Op}}_test

import (
	"testing"

	"github.com/tidebank/tidebank/functions/{{.Domain}}/{{.Op}}"
	"github.com/tidebank/tidebank/test/bank"
)

func TestContract(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	phone := b.Device(t, "phone-of-wang")
	phone.Call(t, {{.Op}}.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	phone.LoginAs(t, b.Customer(t, "王小明"))
	phone.Call(t, {{.Op}}.Function, "", struct{}{}).Want(t, "")
}
`
