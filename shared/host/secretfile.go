package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/kelseyhightower/envconfig"

	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/keys"
)

// secretSize bounds a secret that is read from a file.
const secretSize = 64 << 10

// secretForms are the forms that the process takes secrets in.
type secretForms struct {
	process string // that reads them
	// SealedOnly refuses secrets that stand in clear in the environment or in a file.
	SealedOnly bool `envconfig:"CREDENTIALS_SEALED_ONLY" default:"false"`
	// Receiver and Mounted are as in keys.Config.
	Receiver string `envconfig:"KEYS_RECEIVER"`
	Mounted  bool   `envconfig:"KEYS_MOUNTED" default:"false"`
}

// secretsOf reads which forms the process takes.
func secretsOf(process string) (secretForms, error) {
	forms := secretForms{process: process}
	if err := envconfig.Process("", &forms); err != nil {
		return forms, fmt.Errorf("%w: CREDENTIALS_SEALED_ONLY and KEYS_MOUNTED must be true or false", ErrSetting)
	}
	return forms, nil
}

// read replaces the references in a configuration by what they name. A key with
// the tag `secret:"true"` takes the secret itself, the secret as it was sealed for this
// process and this key (sealed:…), a file that holds one of these (file:///path), or
// a secret of AWS Secrets Manager (secret://name, secret://name#field). OpenFaaS gives
// secrets to a process only as files. The file's last line break does not count. An error
// names the key and the path or the secret's name, and never shows a secret.
func (s secretForms) read(v reflect.Value) error {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if value.Kind() == reflect.Struct && field.IsExported() {
			if err := s.read(value); err != nil {
				return err
			}
			continue
		}
		if field.Tag.Get("secret") != "true" {
			continue
		}
		key := field.Tag.Get("envconfig")
		text, encrypted, err := s.resolve(key, value.String())
		if err == nil && s.SealedOnly && !encrypted && isCredential(field.Tag, text) {
			err = errInClear
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrSetting, key, err)
		}
		value.SetString(text)
	}
	return nil
}

var errInClear = errors.New("the credential stands in clear, and CREDENTIALS_SEALED_ONLY refuses it (tide keys credential)")

// isCredential reports whether a secret key holds a credential. An address of HTTP without a
// user and a query holds none.
func isCredential(tag reflect.StructTag, text string) bool {
	u, err := url.Parse(text)
	plain := tag.Get("form") == "http" && err == nil && u.User == nil && u.RawQuery == ""
	return text != "" && !plain
}

// resolve returns what a value names, or the value, and whether the configuration holds it
// encrypted only. AWS encrypts the secrets of Secrets Manager by KMS.
func (s secretForms) resolve(key, value string) (text string, encrypted bool, err error) {
	if strings.HasPrefix(value, "file:") {
		if value, err = readSecret(value); err != nil {
			return "", false, err
		}
		if !strings.HasPrefix(value, keys.SealedScheme) {
			return value, false, nil
		}
	}
	switch {
	case strings.HasPrefix(value, keys.SealedScheme):
		text, err = keys.OpenCredential(keys.Config{Receiver: s.Receiver, Mounted: s.Mounted}, value, s.process, key)
		return text, true, err
	case strings.HasPrefix(value, "secret:"):
		text, err = s.managed(value)
		return text, true, err
	}
	return value, false, nil
}

// managed reads a secret of AWS Secrets Manager. It ends after ten seconds at most
// (cloud.Client).
func (s secretForms) managed(reference string) (string, error) {
	var config cloud.Config
	if err := envconfig.Process("", &config); err != nil {
		return "", err //nolint:wrapcheck // it names the key
	}
	for _, own := range []string{config.Endpoint, config.SecretKey, config.Token} {
		if strings.HasPrefix(own, "secret:") {
			return "", errCircle
		}
	}
	if err := s.read(reflect.ValueOf(&config).Elem()); err != nil { // they may be files
		return "", err
	}
	if err := allowed(reflect.ValueOf(&config).Elem()); err != nil {
		return "", err
	}
	return cloud.New(config).Secret(context.Background(), reference)
}

var errCircle = errors.New("credentials of AWS can't be a secret of AWS")

var (
	errReference  = errors.New("a reference to a file is file:///path")
	errSecretSize = errors.New("the file is too large for a secret")
)

func readSecret(reference string) (string, error) {
	u, err := url.Parse(reference)
	if err != nil || u.Host != "" || !filepath.IsAbs(u.Path) || u.RawQuery != "" || u.Fragment != "" {
		return "", errReference
	}
	file, err := os.Open(u.Path)
	if err != nil {
		return "", err //nolint:wrapcheck // it names the file
	}
	defer file.Close() // the file is only read, so a failed close loses no data
	raw, err := io.ReadAll(io.LimitReader(file, secretSize+1))
	if err != nil {
		return "", err //nolint:wrapcheck // it names the file
	}
	if len(raw) > secretSize {
		return "", errSecretSize
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r"), nil
}
