package inventory_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/inventory"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/workers"
)

// terraform is the folder of the definitions.
const terraform = "../../../terraform"

// Terraform makes what the list names and names nothing of it: a function whose folder is
// removed is gone from AWS after `make gen` and an apply.
func TestTerraformNamesNothingOfTheList(t *testing.T) {
	t.Parallel()
	list := inventory.List(functions.All(), workers.All(), functions.Subscriptions())
	names := slices.Concat(list.Secrets, []string{list.Topic})
	for _, f := range list.Functions {
		names = append(names, f.Name)
	}
	for _, c := range list.Consumers {
		names = slices.Concat(names, []string{c.Queue, c.DeadLetterQueue}, c.Types)
	}
	for _, b := range list.Buckets {
		names = append(names, b.Name)
	}
	read := 0
	check.Must(t, filepath.WalkDir(terraform, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".tf" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read++
		for _, name := range names {
			if strings.Contains(code(string(raw)), `"`+name+`"`) {
				t.Errorf("%s names %s: take it from the inventory", path, name)
			}
		}
		return nil
	}))
	if read < 30 {
		t.Errorf("read only %d files", read)
	}
}

// Terraform reads the list that `make gen` writes, and in one place.
func TestTerraformReadsTheList(t *testing.T) {
	t.Parallel()
	readers := []string{}
	check.Must(t, filepath.WalkDir(terraform, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".tf" {
			return err
		}
		raw, err := os.ReadFile(path)
		if strings.Contains(string(raw), `file("${path.module}/../../../`+inventory.File+`")`) {
			readers = append(readers, filepath.ToSlash(path))
		}
		return err
	}))
	if len(readers) != 1 || readers[0] != terraform+"/modules/inventory/main.tf" {
		t.Errorf("the list is read by %v", readers)
	}
}

// code is a file without its comments.
func code(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
