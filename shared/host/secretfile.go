package host

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// secretSize bounds a secret that is read from a file.
const secretSize = 64 << 10

// readSecrets replaces the references in a configuration by what they name. A key with
// the tag `secret:"true"` takes the secret itself or file:///path, a file that holds it:
// OpenFaaS gives secrets to a process only as files. The file's last line break does not
// count. An error names the key and the path, and never shows a secret.
func readSecrets(v reflect.Value) error {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if value.Kind() == reflect.Struct && field.IsExported() {
			if err := readSecrets(value); err != nil {
				return err
			}
			continue
		}
		if field.Tag.Get("secret") != "true" || !strings.HasPrefix(value.String(), "file:") {
			continue
		}
		text, err := readSecret(value.String())
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrSetting, field.Tag.Get("envconfig"), err)
		}
		value.SetString(text)
	}
	return nil
}

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
