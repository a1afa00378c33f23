// Package inventory writes the list of what the bank needs on AWS, from the declared functions,
// workers and subscriptions: infra/aws/inventory.json. Terraform makes the resources from
// this list, and so does the set-up of the emulator; docs/aws.md describes them.
package inventory

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/queue"
	"github.com/tidebank/tidebank/infra/aws"
	"github.com/tidebank/tidebank/infra/gen/output"
	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// File is where the list goes, below the repository's root.
const File = "infra/aws/inventory.json"

// archiveDays is ten years, in which nobody can delete an object of the audit archive: the
// law against money laundering asks for records of ten years.
const archiveDays = 3653

// topicSetting is the setting of the worker that publishes events to the topic.
const topicSetting = "SNS_TOPIC_ARN"

// Files makes the list.
func Files(all, workers []fn.Function, table events.Subscriptions) (output.Files, error) {
	raw, err := json.MarshalIndent(List(all, workers, table), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("aws: %w", err)
	}
	return output.Files{File: append(raw, '\n')}, nil
}

// List is the inventory of these functions, workers and subscriptions.
func List(all, workers []fn.Function, table events.Subscriptions) aws.Inventory {
	described := process.Describe(all, workers, table)
	// The dead letters stay in their queues (docs/aws.md): nobody would call that function.
	processes := slices.DeleteFunc(slices.Concat(described.Functions, described.Workers), func(p process.Process) bool {
		return p.DeadLetters
	})
	list := aws.Inventory{
		Bank: keys.BankName, Topic: queue.Topic, Connections: process.Connections(processes, process.Wave),
		Buckets: []aws.Bucket{{Name: aws.AuditArchive, ObjectLockDays: archiveDays}},
	}
	for _, p := range processes {
		f := aws.Function{
			Name: p.Name, Kind: kind(p), Secrets: secrets(p), KeyPurposes: append([]string{}, p.Keys...), KeysKMS: len(p.Keys) > 0,
			Publishes: p.Takes(topicSetting), Polls: p.Queues,
		}
		list.Functions = append(list.Functions, f)
		list.Secrets = append(list.Secrets, f.Secrets...)
	}
	slices.Sort(list.Secrets)
	list.Secrets = slices.Compact(list.Secrets)
	for _, s := range table {
		list.Consumers = append(list.Consumers, aws.Consumer{
			Name: s.Consumer, Queue: queue.Name(s.Consumer), DeadLetterQueue: queue.DeadName(s.Consumer), Types: s.Types,
			MaxReceives: queue.MaxReceives, VisibilityTimeout: int(queue.Visibility.Seconds()),
		})
	}
	return list
}

func kind(p process.Process) string {
	switch {
	case p.Worker:
		return string(fn.TriggerWorker)
	case p.Event:
		return string(fn.TriggerEvent)
	}
	return string(fn.TriggerHTTP)
}

// secrets names the secrets of a process. It has an address of the database of its own,
// with its database role; the others are shared.
func secrets(p process.Process) []string {
	list := []string{}
	if p.DB {
		list = append(list, p.DatabaseSecret())
	}
	if p.Redis {
		list = append(list, process.SecretName("REDIS_URL"))
	}
	for _, s := range p.Required {
		if s.Secret {
			list = append(list, process.SecretName(s.Name))
		}
	}
	return list
}
