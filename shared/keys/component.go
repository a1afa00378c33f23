package keys

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidebank/tidebank/shared/sm"
)

// Refusals of the ceremony with components. No error holds a component.
var (
	ErrComponent = errors.New("keys: not a component, or its checksum is wrong; read it again")
	ErrOtherSet  = errors.New("keys: the component is of another ceremony than the key file")
	ErrTwice     = errors.New("keys: this component was given twice")
	ErrTooFew    = errors.New("keys: too few components")
	ErrCheck     = errors.New("keys: the components make a key with another check value")
	ErrSplit     = errors.New("keys: the root of this key file is split into components; join them (tide keys join)")
	ErrNotSplit  = errors.New("keys: the root of this key file is not split")
)

// ShareSize is the size of a share's value.
const ShareSize = 32

// Share is one share of a key. The numbers count from 1.
type Share struct {
	Number int
	Value  [ShareSize]byte
}

// Scheme shares a key out: any shares, as many as the threshold, make the key again, and
// fewer tell nothing about it. Join may make another key of wrong shares, or refuse them.
type Scheme interface {
	Split(key sm.Key, shares, threshold int) ([]Share, error)
	Join(shares []Share, threshold int) (sm.Key, error)
}

// splitRoot tells of a root that only its components hold.
type splitRoot struct {
	Set       string `json:"set"` // of the ceremony, in each of its components
	Threshold int    `json:"threshold"`
	Check     string `json:"check"` // check value of the root
}

// Component is one part of a root key. Fewer components than the ceremony's threshold tell
// nothing about the key.
type Component struct {
	Set       string
	Threshold int
	share     Share
}

// Number counts the components of a ceremony from 1.
func (c Component) Number() int { return c.share.Number }

// componentHead begins a component's text, with the version of its form.
const componentHead = "TIDE1"

// Text is the line that a custodian keeps: the form, the ceremony, the threshold, the
// number, the value in groups of eight digits, and a checksum over all of it.
func (c Component) Text() string {
	digits := hex.EncodeToString(c.share.Value[:])
	parts := []string{componentHead, c.Set, strconv.Itoa(c.Threshold), strconv.Itoa(c.share.Number)}
	for ; digits != ""; digits = digits[8:] {
		parts = append(parts, digits[:8])
	}
	body := strings.ToUpper(strings.Join(parts, "-"))
	return body + "-" + checksum(body)
}

// String hides the value, so that no log shows it.
func (c Component) String() string {
	return fmt.Sprintf("component %d of ceremony %s", c.Number(), c.Set)
}

// GoString does the same.
func (c Component) GoString() string { return c.String() }

func checksum(text string) string {
	return strings.ToUpper(hex.EncodeToString(sm.Digest([]byte(text))[:4]))
}

// ParseComponent reads a component's text. Blanks and the case of letters don't matter.
func ParseComponent(text string) (c Component, err error) {
	text = strings.ToUpper(strings.Join(strings.Fields(text), ""))
	at := strings.LastIndexByte(text, '-')
	parts := strings.Split(text, "-")
	if len(parts) != 5+ShareSize/4 || parts[0] != componentHead || checksum(text[:at]) != text[at+1:] {
		return Component{}, ErrComponent
	}
	value, err := hex.DecodeString(strings.Join(parts[4:len(parts)-1], ""))
	if err != nil || len(value) != ShareSize {
		return Component{}, ErrComponent
	}
	threshold, err := strconv.Atoi(parts[2])
	if err != nil {
		return Component{}, ErrComponent
	}
	number, err := strconv.Atoi(parts[3])
	if err != nil {
		return Component{}, ErrComponent
	}
	return Component{Set: parts[1], Threshold: threshold, share: Share{Number: number, Value: [ShareSize]byte(value)}}, nil
}

// checkValue tells two keys apart, and shows nothing else of them.
func checkValue(key sm.Key) string {
	return strings.ToUpper(hex.EncodeToString(sm.MAC(key[:], []byte("tidebank key check value"))[:3]))
}

// CheckValue is the check value of a key file's root: six hexadecimal digits, which the ceremony
// compares. It is known also if the root is split.
func CheckValue(path string) (string, error) {
	f, err := readFile(Config{File: path})
	switch {
	case err != nil:
		return "", err
	case f.SplitRoot != nil:
		return f.SplitRoot.Check, nil
	case f.SealedRoot != nil:
		return "", fmt.Errorf("%w: %s", ErrSealed, path)
	case f.Envelope != nil:
		return "", fmt.Errorf("%w: %s", ErrEnveloped, path)
	}
	return checkValue(sm.Key(f.Root)), nil
}

// Split makes components of a key file's root, and a copy of the file without the root.
// The copy holds every other key wrapped, so that it may lie in a backup. Split leaves the
// key file as it is: after the ceremony, destroy it or keep it in the place that uses it.
func Split(scheme Scheme, path, to string, shares, threshold int) ([]Component, error) {
	f, err := readBank(path)
	if err != nil {
		return nil, err
	}
	if _, err := openRing(context.Background(), f, All()); err != nil { // a damaged file must not look whole
		return nil, err
	}
	parts, err := scheme.Split(sm.Key(f.Root), shares, threshold)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	raw := make([]byte, 4)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	set := strings.ToUpper(hex.EncodeToString(raw))
	var list []Component
	for _, s := range parts {
		list = append(list, Component{Set: set, Threshold: threshold, share: s})
	}
	f.SplitRoot = &splitRoot{Set: set, Threshold: threshold, Check: checkValue(sm.Key(f.Root))}
	f.Root = nil
	return list, f.publish(to)
}

// Ceremony is the number of components that a split key file needs, and the name of its
// ceremony.
func Ceremony(path string) (threshold int, set string, err error) {
	f, err := readFile(Config{File: path})
	if err != nil {
		return 0, "", err
	}
	if f.SplitRoot == nil {
		return 0, "", fmt.Errorf("%w: %s", ErrNotSplit, path)
	}
	return f.SplitRoot.Threshold, f.SplitRoot.Set, nil
}

// Join makes a key file with its root from a file of Split and the components. The new file
// appears only if every key opens.
func Join(scheme Scheme, path, to string, components []Component) error {
	f, err := readFile(Config{File: path})
	if err != nil {
		return err
	}
	if f.SplitRoot == nil {
		return fmt.Errorf("%w: %s", ErrNotSplit, path)
	}
	seen, parts := map[int]bool{}, []Share(nil)
	for _, c := range components {
		if c.Set != f.SplitRoot.Set || c.Threshold != f.SplitRoot.Threshold {
			return ErrOtherSet
		}
		if seen[c.Number()] {
			return ErrTwice
		}
		seen[c.Number()], parts = true, append(parts, c.share)
	}
	if len(parts) < f.SplitRoot.Threshold {
		return fmt.Errorf("%w: %d of %d", ErrTooFew, len(parts), f.SplitRoot.Threshold)
	}
	root, err := scheme.Join(parts, f.SplitRoot.Threshold)
	if err != nil || checkValue(root) != f.SplitRoot.Check {
		return ErrCheck
	}
	f.Root, f.SplitRoot = root[:], nil
	if _, err := openRing(context.Background(), f, All()); err != nil {
		return err
	}
	return f.publish(to)
}
