package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reasons why no server starts.
var (
	// ErrNotFound reports that the machine has no installed server that is new enough.
	ErrNotFound = errors.New("pgserver: no PostgreSQL of version 15 or newer is installed")
	// ErrOtherVersion reports that the data belong to a version that is not there.
	ErrOtherVersion = errors.New("pgserver: the data were made by another major version of PostgreSQL, and stay as they are")
)

const (
	oldest         = 15
	versionTimeout = 10 * time.Second
)

// program is an installed server.
type program struct {
	bin   string // the folder of the programs
	major int
}

// FindBin returns the folder that holds the newest installed server's programs, or
// those that PATH leads to.
func FindBin() (string, error) {
	found, err := choose(installed(context.Background()), 0)
	return found.bin, err
}

// programs returns the folder of a server's programs that can open the data. It
// downloads them if none is installed.
func programs(ctx context.Context, config Config) (string, error) {
	data := version(filepath.Join(dataOf(config.Dir), "PG_VERSION"))
	found, err := choose(installed(ctx), data)
	if !errors.Is(err, ErrNotFound) {
		return found.bin, withFolder(err, config.Dir)
	}
	if data != 0 && data != downloadedMajor() {
		return "", withFolder(otherVersion(data, []int{downloadedMajor()}), config.Dir)
	}
	bin, failed := download(config) //nolint:contextcheck // the library takes no context
	if failed != nil {
		return "", fmt.Errorf("%w, and it can't be downloaded: %w", err, failed)
	}
	return bin, nil
}

// withFolder adds to ErrOtherVersion where the data are.
func withFolder(err error, dir string) error {
	if errors.Is(err, ErrOtherVersion) {
		return fmt.Errorf("%w (data in %s)", err, dataOf(dir))
	}
	return err
}

func otherVersion(data int, have []int) error {
	return fmt.Errorf("%w: the data need PostgreSQL %d, and only %v can run here; install version %d, or use another folder",
		ErrOtherVersion, data, have, data)
}

// choose takes the first program that is new enough and, if there are data, of their
// version.
func choose(list []program, data int) (program, error) {
	var have []int
	for _, p := range list {
		have = append(have, p.major)
		if p.major >= oldest && (data == 0 || p.major == data) {
			return p, nil
		}
	}
	switch {
	case slices.ContainsFunc(have, func(major int) bool { return major >= oldest }):
		return program{}, otherVersion(data, have)
	case len(list) > 0:
		return program{}, fmt.Errorf("%w (found version %d in %s)", ErrNotFound, list[0].major, list[0].bin)
	}
	return program{}, ErrNotFound
}

// installed lists the servers on this machine: that of PATH, and then Debian's, the
// newest first.
func installed(ctx context.Context) []program {
	var list []program
	if path, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		list = append(list, program{filepath.Dir(path), ask(ctx, path)})
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is well formed
	debian := make([]program, 0, len(found))
	for _, path := range found {
		debian = append(debian, program{filepath.Dir(path), major(strings.Split(path, "/")[4])})
	}
	slices.SortFunc(debian, func(a, b program) int { return b.major - a.major })
	return append(list, debian...)
}

var versionForm = regexp.MustCompile(`\b(\d+)(?:\.\d+)*(?:devel|beta\d+|rc\d+)?\b`)

// ask asks a program for its major version; 0 if it does not tell.
func ask(ctx context.Context, path string) int {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	text, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return 0
	}
	number := versionForm.FindStringSubmatch(string(text)) // postgres (PostgreSQL) 15.8
	if number == nil {
		return 0
	}
	return major(number[1])
}

// version reads the major version from a file; 0 if there is none.
func version(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), ".") // versions before 10 have two parts
	return major(first)
}

// major returns the number of a major version; 0 for any other text.
func major(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}
