module github.com/tidebank/tidebank/test/platform/cloudevents

go 1.26.8

require (
	github.com/cloudevents/conformance v0.4.1
	github.com/cucumber/godog v0.15.1
	github.com/google/go-cmp v0.7.0
	github.com/tidebank/tidebank v0.0.0-00010101000000-000000000000
)

require (
	github.com/cucumber/gherkin/go/v26 v26.2.0 // indirect
	github.com/cucumber/messages/go/v21 v21.0.1 // indirect
	github.com/gofrs/uuid v4.3.1+incompatible // indirect
	github.com/hashicorp/go-immutable-radix v1.3.1 // indirect
	github.com/hashicorp/go-memdb v1.3.4 // indirect
	github.com/hashicorp/golang-lru v0.5.4 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
)

replace github.com/tidebank/tidebank => ../../..
