// Package aws holds the list of what the bank needs on AWS. `make gen` writes the list
// from the functions, workers and subscriptions (infra/gen/inventory). Terraform reads the
// same file.
package aws

import (
	_ "embed" // the list
	"encoding/json"
	"fmt"
)

// AuditArchive is the bucket of the archived audit record.
const AuditArchive = "tidebank-audit-archive"

//go:embed inventory.json
var inventory []byte

// Read returns the inventory.
func Read() (Inventory, error) {
	var list Inventory
	if err := json.Unmarshal(inventory, &list); err != nil {
		return list, fmt.Errorf("inventory: %w", err)
	}
	return list, nil
}

// Inventory is what the bank needs on AWS.
type Inventory struct {
	Bank        string     `json:"bank"`        // in the encryption context of every key file
	Topic       string     `json:"topic"`       // the SNS topic that takes every event
	Connections int        `json:"connections"` // to PostgreSQL, of all processes at most (process.Connections)
	Functions   []Function `json:"functions"`   // functions and workers: each has a role of its own
	Consumers   []Consumer `json:"consumers"`   // event functions: each has a queue of its own
	Buckets     []Bucket   `json:"buckets"`
	Secrets     []string   `json:"secrets"` // names in Secrets Manager
}

// Function is a process with what its role may read.
type Function struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`         // http, event or worker
	Secrets     []string `json:"secrets"`      // those that it may read
	KeyPurposes []string `json:"key_purposes"` // whose keys its key file holds
	KeysKMS     bool     `json:"keys_kms"`     // it opens its key file by KMS
	Publishes   bool     `json:"publishes"`    // it sends events to the topic
	Polls       bool     `json:"polls"`        // it takes events from the queues
}

// Consumer is an event function with its queue.
type Consumer struct {
	Name              string   `json:"name"`
	Queue             string   `json:"queue"`
	DeadLetterQueue   string   `json:"dead_letter_queue"`
	Types             []string `json:"types"`        // of the subscription's filter policy, by the attribute `type`
	MaxReceives       int      `json:"max_receives"` // after so many, SQS moves a message to the dead letters
	VisibilityTimeout int      `json:"visibility_timeout_s"`
}

// Bucket keeps objects that nobody can delete before their time.
type Bucket struct {
	Name           string `json:"name"`
	ObjectLockDays int    `json:"object_lock_days"`
}
