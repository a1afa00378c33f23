// Package cloudevents runs the official feature files of CloudEvents
// (github.com/cloudevents/conformance) against the package with which every event
// function reads its events.
package cloudevents_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/cloudevents/conformance/pkg/event" // the module that holds the features
	"github.com/cucumber/godog"
	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/cloudevent"
)

// scenario is the state of one scenario of a feature file.
type scenario struct {
	header http.Header
	body   string
	event  cloudevent.Event
}

var errOther = errors.New("the event has other values")

func (s *scenario) request(text *godog.DocString) error {
	head, body, _ := strings.Cut(text.Content, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		return err
	}
	s.header, s.body = r.Header, body
	return nil
}

func (s *scenario) parse() (err error) {
	s.event, err = cloudevent.FromHTTP(s.header, []byte(s.body))
	return err
}

// attributes compares a table of names and values with the event in the JSON format.
func (s *scenario) attributes(table *godog.Table) error {
	text, err := json.Marshal(s.event)
	if err != nil {
		return err
	}
	got := map[string]any{}
	if err := json.Unmarshal(text, &got); err != nil {
		return err
	}
	for _, row := range table.Rows[1:] {
		if name, want := row.Cells[0].Value, row.Cells[1].Value; fmt.Sprint(got[name]) != want {
			return fmt.Errorf("%w: %s is %v, want %s", errOther, name, got[name], want)
		}
	}
	return nil
}

func (s *scenario) data(text *godog.DocString) error {
	var want, got any
	if err := errors.Join(json.Unmarshal([]byte(text.Content), &want), json.Unmarshal(s.event.Data, &got)); err != nil {
		return err
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("%w: %s", errOther, diff)
	}
	return nil
}

func TestOfficialFeaturesOfHTTP(t *testing.T) {
	t.Parallel()
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cloudevents/conformance").Output()
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	suite := godog.TestSuite{
		Options: &godog.Options{
			Format: "pretty", Strict: true, TestingT: t,
			Paths: []string{filepath.Join(strings.TrimSpace(string(module)), "features", "http-protocol-binding.feature")},
		},
		ScenarioInitializer: func(steps *godog.ScenarioContext) {
			ran++
			var s scenario
			steps.Step(`^HTTP Protocol Binding is supported$`, func() {})
			steps.Step(`^an HTTP request$`, s.request)
			steps.Step(`^parsed as HTTP request$`, s.parse)
			steps.Step(`^the attributes are:$`, s.attributes)
			steps.Step(`^the data is equal to the following JSON:$`, s.data)
		},
	}
	if suite.Run() != 0 || ran < 2 {
		t.Fatalf("%d scenarios, and some failed", ran)
	}
}
