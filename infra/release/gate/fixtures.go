package gate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tidebank/tidebank/localstack/seed"
)

// digits are the runs that may be a number of a person, with all digits around them.
var digits = regexp.MustCompile(`[0-9]+[Xx]?`)

// Fixtures reports each phone, identity and card number in the source that is not of the
// reserved ranges of test data: it may be a real person's. It reads every text file that
// Git knows, and those that are new.
func Fixtures(ctx context.Context, root string) ([]Problem, error) {
	text, err := git(ctx, root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	var list []Problem
	for name := range strings.SplitSeq(text, "\x00") {
		if name == "" || strings.HasSuffix(name, ".sum") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if os.IsNotExist(err) { // removed, and not committed yet
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("fixtures: %w", err)
		}
		if bytes.IndexByte(content, 0) >= 0 {
			continue // no text
		}
		for i, line := range strings.Split(string(content), "\n") {
			for _, number := range numbers(line) {
				if what := seed.Outside(number); what != "" {
					list = append(list, problem("test data", "Use a number of the reserved ranges (localstack/seed/reserved.go)",
						"%s:%d holds the %s %s, which may be a real person's", name, i+1, what, number))
				}
			}
		}
	}
	return list, nil
}

// numbers returns the runs of digits of a line. A run beside a letter of a hash or beside
// a dash of an id is none.
func numbers(line string) []string {
	var list []string
	for _, at := range digits.FindAllStringIndex(line, -1) {
		before, after := byte(' '), byte(' ')
		if at[0] > 0 {
			before = line[at[0]-1]
		}
		if at[1] < len(line) {
			after = line[at[1]]
		}
		if at[1]-at[0] >= 11 && !hash(before) && !hash(after) {
			number := line[at[0]:at[1]]
			if len(number) == 13 {
				number = strings.TrimPrefix(number, "86")
			}
			list = append(list, number)
		}
	}
	return list
}

// hash reports whether a character beside digits makes them a part of a hash or an id.
func hash(c byte) bool { return strings.IndexByte("abcdefABCDEF-._", c) >= 0 }
