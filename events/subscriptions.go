package events

import (
	_ "embed" // subscriptions.yaml
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

//go:embed subscriptions.yaml
var subscriptionsYAML []byte

// Subscriptions is the table of who hears what.
type Subscriptions struct {
	List []struct {
		Consumer string   `yaml:"consumer"`
		Types    []string `yaml:"types"`
	} `yaml:"subscriptions"`
	Unheard map[string]string `yaml:"unheard"` // type to reason
}

// LoadSubscriptions reads the embedded table.
func LoadSubscriptions() (Subscriptions, error) {
	var s Subscriptions
	if err := yaml.Unmarshal(subscriptionsYAML, &s); err != nil {
		return s, fmt.Errorf("subscriptions: %w", err)
	}
	return s, nil
}

// Consumers names the functions that hear a type.
func (s Subscriptions) Consumers(eventType string) []string {
	var names []string
	for _, sub := range s.List {
		if slices.Contains(sub.Types, eventType) {
			names = append(names, sub.Consumer)
		}
	}
	return names
}
