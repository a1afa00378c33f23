package pgserver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/check"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	old, fifteen, seventeen, unknown := program{"/old", 12}, program{"/15", 15}, program{"/17", 17}, program{"/x", 0}
	for _, tt := range []struct {
		name string
		list []program
		data int
		want program
		err  error
	}{
		{"nothing", nil, 0, program{}, ErrNotFound},
		{"only old", []program{old}, 0, program{}, ErrNotFound},
		{"only unknown", []program{unknown}, 0, program{}, ErrNotFound},
		{"old in PATH, new elsewhere", []program{old, seventeen, fifteen}, 0, seventeen, nil},
		{"the first", []program{fifteen, seventeen}, 0, fifteen, nil},
		{"that of the data", []program{seventeen, fifteen}, 15, fifteen, nil},
		{"not that of the data", []program{seventeen, fifteen}, 16, program{}, ErrOtherVersion},
		{"data of an old one", []program{old, fifteen}, 12, program{}, ErrOtherVersion},
	} {
		got, err := choose(tt.list, tt.data)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, %v; want %v, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
	if _, err := choose([]program{old}, 0); !strings.Contains(err.Error(), "found version 12 in /old") {
		t.Errorf("it does not say what it found: %v", err)
	}
}

func TestVersionsOfPrograms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.8":                           15,
		"postgres (PostgreSQL) 9.6.24":                         9,
		"postgres (PostgreSQL) 17beta2":                        17,
		"postgres (PostgreSQL) 16.3 (Debian 16.3-1.pgdg120+1)": 16,
		"no version": 0,
	} {
		path := filepath.Join(t.TempDir(), "postgres")
		check.Must(t, os.WriteFile(path, []byte("#!/bin/sh\necho '"+text+"'\n"), 0o700))
		if got := ask(t.Context(), path); got != want {
			t.Errorf("%q is version %d, want %d", text, got, want)
		}
	}
	if got := ask(t.Context(), "/nowhere/postgres"); got != 0 {
		t.Errorf("no program has version %d", got)
	}
}

// As text, 9 would be newer than 15.
func TestVersionsCompareAsNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"9": 9, "15": 15, "9.6": 0, "next": 0, "": 0} {
		if got := major(text); got != want {
			t.Errorf("major(%q) = %d, want %d", text, got, want)
		}
	}
}
