package record

import (
	"bytes"
	"fmt"

	"gopkg.in/yaml.v3"
)

// decode reads one YAML document, and refuses fields that the value does not have.
func decode(text []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("yaml: %w", err)
	}
	return nil
}
