package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Errors of a reference to a secret.
var (
	ErrReference = errors.New("a reference to a secret is secret://name or secret://name#field")
	ErrSecret    = errors.New("the secret holds no such text")
)

// SecretScheme begins a reference to a secret.
const SecretScheme = "secret://"

var secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)

// Secret reads the current version of a secret in Secrets Manager: secret://name is its
// text, secret://name#field the text of a field of its JSON object. The name may hold
// slashes. Its errors never hold a part of the secret.
func (c *Client) Secret(ctx context.Context, reference string) (string, error) {
	name, field, hasField := strings.Cut(strings.TrimPrefix(reference, SecretScheme), "#")
	if !strings.HasPrefix(reference, SecretScheme) || !secretName.MatchString(name) || hasField && field == "" {
		return "", ErrReference
	}
	var answer struct{ SecretString *string }
	op := operation{service: "secretsmanager", region: c.config.Region, target: "secretsmanager.GetSecretValue"}
	if err := c.call(ctx, op, map[string]string{"SecretId": name}, &answer); err != nil {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	switch {
	case answer.SecretString == nil:
		return "", fmt.Errorf("secret %s: %w", name, ErrSecret)
	case !hasField:
		return *answer.SecretString, nil
	}
	var fields map[string]any
	_ = json.Unmarshal([]byte(*answer.SecretString), &fields) // no object has no field
	text, ok := fields[field].(string)
	if !ok {
		return "", fmt.Errorf("secret %s, field %s: %w", name, field, ErrSecret)
	}
	return text, nil
}
