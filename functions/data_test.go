package functions_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// dataItem is one entry of the data catalogue.
type dataItem struct {
	Item    string   `yaml:"item"`
	Class   string   `yaml:"class"`
	Grade   string   `yaml:"grade"`
	Columns []string `yaml:"columns"`
	Fields  []string `yaml:"fields"`
}

func dataCatalogue(t *testing.T) []dataItem {
	t.Helper()
	raw, err := os.ReadFile("../docs/data.yaml")
	check.Must(t, err)
	var list struct {
		Items []dataItem `yaml:"items"`
	}
	check.Must(t, yaml.Unmarshal(raw, &list))
	if len(list.Items) < 18 {
		t.Fatalf("only %d items were read", len(list.Items))
	}
	return list.Items
}

// dataName matches the names of columns and fields that hold a person's data.
var dataName = regexp.MustCompile(`(?i)pass(w|c)|gesture|` +
	`\bpin\b|_pin|pin_|otp$|^code$|secret|_key$|^key$|track|expiry|expir.*(card|month|year)|` +
	`(card|month|year).*expir|cvn|cvv|id_?no|passport|name|birth|born|biometr|face|finger|address|addr\b|phone|mobile|mail|` +
	`credit(_score|_limit|_line|$)|score|grade|^ip$|last_login|location|balance|amount|` +
	`counterparty|summary|memo|card|number|account_no|\bno_|_no\b|` +
	`_ct$|payload|body$|title|^text$|payer_|payee_`)

// otherwise are names that look like a person's data but hold none.
var otherwise = []string{
	"policy.name", "idempotency.body_hash", "audit_record.body", // a policy's name, a digest, the record whose fields the events list
	"payee_account_id", "payee_customer_id", "payer_customer_id", "idempotency_key", // references
	"credit_account_id", "debit_account_id",
	"stepup_rule.grade", // of a rule for all customers
}

// uncatalogued are the names that the scan finds and the catalogue does not have.
func uncatalogued(names, known []string) []string {
	var list []string
	for _, name := range names {
		bare := name[1+strings.LastIndexByte(name, '.'):]
		if dataName.MatchString(bare) && !slices.Contains(known, name) && !slices.Contains(otherwise, name) {
			list = append(list, name)
		}
	}
	return list
}

// columns are those of every table, as table.column.
func columns(t *testing.T) []string {
	t.Helper()
	list := check.Column[string](t, pgtest.New(t).Pool(), `
SELECT table_name || '.' || column_name FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%' ORDER BY 1`)
	if len(list) < 120 {
		t.Fatalf("%d columns were read", len(list))
	}
	return list
}

// messageFields are those of every request, reply and event.
func messageFields(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, f := range functions.All() {
		if list = append(list, fields(f.Request)...); f.Response != nil {
			list = append(list, fields(f.Response)...)
		}
	}
	for _, kind := range events.Catalogue() {
		list = append(list, fields(reflect.TypeOf(kind.Data))...)
	}
	slices.Sort(list)
	if list = slices.Compact(list); len(list) < 70 {
		t.Fatalf("only %d fields were read", len(list))
	}
	return list
}

// The catalogue classes each item that the standard lists. The scan finds no such item
// outside the catalogue, and every entry has a class and a grade.
func TestTheDataCatalogueHasAll(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PRIV-006.1")
	req.Covers(t, "PRIV-020.1", "PRIV-020.2", "PRIV-020.3")
	classes, stored, shown := map[string]string{}, []string(nil), []string(nil)
	for _, item := range dataCatalogue(t) {
		if item.Class != "sensitive" && item.Class != "personal" || !slices.Contains([]string{"C1", "C2", "C3"}, item.Grade) {
			t.Errorf("%s is of class %q and grade %q", item.Item, item.Class, item.Grade)
		}
		classes[item.Item] = item.Class
		stored, shown = append(stored, item.Columns...), append(shown, item.Fields...)
	}
	for class, items := range map[string][]string{
		"sensitive": {
			"transfer password", "query password", "login password", "certificate PIN", "keys", "full track", "card expiry", "CVN",
			"CVN2", "ID number",
		},
		"personal": {"name", "birth date", "biometrics", "address", "contact", "credit", "tracks", "transactions"},
	} {
		for _, item := range items {
			if classes[item] != class {
				t.Errorf("%s is classed as %q, want %s", item, classes[item], class)
			}
		}
	}
	there, sent := columns(t), messageFields(t)
	for _, name := range append(uncatalogued(there, stored), uncatalogued(sent, shown)...) {
		t.Errorf("%s is not in the catalogue", name)
	}
	for _, name := range stored {
		if !slices.Contains(there, name) {
			t.Errorf("the catalogue has the column %s, which there is not", name)
		}
	}
	for _, name := range shown {
		if !slices.Contains(sent, name) {
			t.Errorf("the catalogue has the field %s, which there is not", name)
		}
	}
	planted := []string{
		"customer.cvn2", "account.track2", "account.card_expiry", "credential.pin_hash", "customer.birth_date", "customer.email",
		"customer.home_address", "customer.face_template", "device.secret", "account.idno", "customer.credit_score", "customer.mobile",
	}
	if found := uncatalogued(append(slices.Clone(there), planted...), stored); !slices.Equal(found, planted) {
		t.Errorf("of the planted %q the scan finds %q", planted, found)
	}
}
