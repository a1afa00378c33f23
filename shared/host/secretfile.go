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
)

// secretSize bounds a secret that is read from a file.
const secretSize = 64 << 10

// readSecrets replaces the references in a configuration by what they name. A key with
// the tag `secret:"true"` takes the secret itself, a file that holds it (file:///path), or
// a secret of AWS Secrets Manager (secret://name, secret://name#field). OpenFaaS gives
// secrets to a process only as files. The file's last line break does not count. An error
// names the key and the path or the secret's name, and never shows a secret.
func readSecrets(v reflect.Value) error {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if value.Kind() == reflect.Struct && field.IsExported() {
			if err := readSecrets(value); err != nil {
				return err
			}
			continue
		}
		if field.Tag.Get("secret") != "true" {
			continue
		}
		text, err := resolve(value.String())
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrSetting, field.Tag.Get("envconfig"), err)
		}
		value.SetString(text)
	}
	return nil
}

// resolve returns what a value names, or the value.
func resolve(value string) (string, error) {
	switch {
	case strings.HasPrefix(value, "file:"):
		return readSecret(value)
	case strings.HasPrefix(value, "secret:"):
		return managedSecret(value)
	}
	return value, nil
}

// managedSecret reads a secret of AWS Secrets Manager. It ends after ten seconds at most
// (cloud.Client).
func managedSecret(reference string) (string, error) {
	var config cloud.Config
	if err := envconfig.Process("", &config); err != nil {
		return "", err //nolint:wrapcheck // it names the key
	}
	for _, own := range []*string{&config.Endpoint, &config.SecretKey, &config.Token} { // they may be files
		if strings.HasPrefix(*own, "secret:") {
			return "", errCircle
		}
		text, err := resolve(*own)
		if err != nil {
			return "", err
		}
		*own = text
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
