// Package place tells from which place a network address comes, for the customer to read:
// "a login in Shanghai". It decides nothing.
//
// The bank gives a CSV file of address ranges: first address, last address, place. Both
// addresses belong to the range; ranges of the file may not overlap. A place has 1 to 64
// bytes. Without a file, and for an address in no range, the place is Unknown. Open reads
// the whole file into memory, at most 64 MB. A Table is safe for concurrent use.
//
// Source: SESSION-005.
package place

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Unknown is the place of an address that the bank can't place.
const Unknown = "unknown"

const (
	longest  = 64       // bytes of a place
	fileSize = 64 << 20 // bytes of the file
)

// Config is read from the environment once.
type Config struct {
	File string `envconfig:"PLACE_RANGES_FILE"`
}

// ErrRange refuses a file with a line that is no range.
var ErrRange = errors.New("PLACE_RANGES_FILE: a line is not first address, last address, place")

// Table holds the ranges, in the order of their addresses.
type Table struct{ ranges []span }

type span struct {
	first, last netip.Addr
	place       string
}

// Open reads the file that the configuration names; a table without a file is empty.
func Open(config Config) (*Table, error) {
	if config.File == "" {
		return &Table{}, nil
	}
	file, err := os.Open(config.File)
	if err != nil {
		return nil, fmt.Errorf("PLACE_RANGES_FILE: %w", err)
	}
	defer file.Close()
	return read(io.LimitReader(file, fileSize))
}

func read(from io.Reader) (*Table, error) {
	lines := csv.NewReader(from)
	lines.FieldsPerRecord, lines.Comment, lines.ReuseRecord = 3, '#', true
	t, names := &Table{}, map[string]string{}
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("PLACE_RANGES_FILE: %w", err)
		}
		s, ok := parse(fields)
		if !ok {
			line, _ := lines.FieldPos(0)
			return nil, fmt.Errorf("%w: line %d", ErrRange, line)
		}
		if _, known := names[s.place]; !known { // places repeat, so one text serves all ranges of a place
			names[s.place] = s.place
		}
		s.place = names[s.place]
		t.ranges = append(t.ranges, s)
	}
	slices.SortFunc(t.ranges, func(a, b span) int { return a.first.Compare(b.first) })
	for i := 1; i < len(t.ranges); i++ {
		if t.ranges[i].first.Compare(t.ranges[i-1].last) <= 0 {
			return nil, fmt.Errorf("%w: %v is in two ranges", ErrRange, t.ranges[i].first)
		}
	}
	return t, nil
}

func parse(fields []string) (span, bool) {
	first, err := netip.ParseAddr(fields[0])
	last, failed := netip.ParseAddr(fields[1])
	s := span{first.Unmap(), last.Unmap(), fields[2]}
	proper := err == nil && failed == nil && s.first.BitLen() == s.last.BitLen() && s.first.Compare(s.last) <= 0 &&
		first.Zone()+last.Zone() == ""
	return s, proper && printable(s.place)
}

func printable(text string) bool {
	return text != "" && len(text) <= longest && utf8.ValidString(text) &&
		!slices.ContainsFunc([]rune(text), func(r rune) bool { return !unicode.IsPrint(r) })
}

// Of returns the place of an address of address.Parse.
func (t *Table) Of(ip string) string {
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return Unknown
	}
	// The last range that begins at or before the address is the only one that may hold it.
	next, found := slices.BinarySearchFunc(t.ranges, address, func(s span, a netip.Addr) int { return s.first.Compare(a) })
	if found {
		return t.ranges[next].place
	}
	if next == 0 || t.ranges[next-1].last.Compare(address) < 0 || t.ranges[next-1].last.BitLen() != address.BitLen() {
		return Unknown
	}
	return t.ranges[next-1].place
}
