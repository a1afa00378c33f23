package main

import (
	"errors"
	"fmt"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/tidebank/tidebank/events"
)

var (
	domainForm = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	opForm     = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

	errScheme  = errors.New("--domain and --op are lower-case words, e.g. --domain transfer --op cancel")
	errTrigger = errors.New("--trigger is query, command, confirm, event or worker")
	errEvent   = errors.New("--event is a type of events.Catalogue")
	errExists  = errors.New("there is such a folder already")
)

// order holds the arguments of `make new`.
type order struct {
	domain, op string
	trigger    string // a key of templates
	event      string // the type that an event function consumes
}

// scaffolded makes the two files of the order: a function or worker that compiles and
// answers, and a test that calls it. The author replaces both.
func (o order) scaffolded() (map[string][]byte, error) {
	folder := strings.ReplaceAll(o.op, "-", "")
	texts, known := templates()[o.trigger]
	switch {
	case !domainForm.MatchString(o.domain) || !opForm.MatchString(o.op) || token.IsKeyword(folder):
		return nil, errScheme
	case !known:
		return nil, errTrigger
	}
	data := map[string]string{
		"Name": o.domain + "-" + o.op, "Package": folder, "Alias": o.domain + folder, "Event": o.event,
		"Import": module + "/functions/" + o.domain + "/" + folder,
	}
	source := "functions/" + o.domain + "/" + folder + "/handler"
	switch o.trigger {
	case "worker":
		data["Import"], data["Alias"] = module+"/workers/"+folder, folder
		source = "workers/" + folder + "/worker"
	case "event":
		catalogue := events.Catalogue()
		i := slices.IndexFunc(catalogue, func(k events.Kind) bool { return k.Type == o.event })
		if i < 0 {
			return nil, fmt.Errorf("%w, not %q", errEvent, o.event)
		}
		data["Data"] = reflect.TypeOf(catalogue[i].Data).Name()
	}
	files := map[string][]byte{}
	for suffix, text := range map[string]string{".go": texts[0], "_test.go": texts[1]} {
		rendered, err := render(text, data)
		if err != nil {
			return nil, err
		}
		files[source+suffix] = rendered
	}
	return files, nil
}

// scaffold writes the files of an order, and then generates as `make gen` does.
func scaffold(o order) error {
	files, err := o.scaffolded()
	if err != nil {
		return err
	}
	paths := slices.Sorted(maps.Keys(files))
	dir := filepath.Dir(paths[0])
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("%s: %w", dir, errExists)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // source folder
		return fmt.Errorf("scaffold: %w", err)
	}
	for _, path := range paths {
		if err := os.WriteFile(path, files[path], 0o644); err != nil { //nolint:gosec // source file
			return fmt.Errorf("scaffold: %w", err)
		}
	}
	fmt.Println("wrote", dir+": write its code, then run make gen")
	return generate()
}
