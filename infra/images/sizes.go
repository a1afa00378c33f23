package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
)

// sized is one image with the sizes of its program and of its compressed layers, in bytes.
type sized struct {
	Name                string
	Program, Compressed int64
}

// The list of sizes stands between these lines of a document.
const (
	sizesBegin = "<!-- Written by `make images`: begin -->\n"
	sizesEnd   = "<!-- end -->\n"
)

var errNoList = errors.New("the document has no place for the list of sizes")

// writeSizes puts the list of all images into a document.
func writeSizes(file, arch string, images []sized) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("sizes: %w", err)
	}
	before, rest, begins := strings.Cut(string(text), sizesBegin)
	_, after, ends := strings.Cut(rest, sizesEnd)
	if !begins || !ends {
		return fmt.Errorf("sizes: %s: %w", file, errNoList)
	}
	whole := before + sizesBegin + sizeList(arch, images) + sizesEnd + after
	if err := os.WriteFile(file, []byte(whole), 0o644); err != nil { //nolint:gosec // a document
		return fmt.Errorf("sizes: %w", err)
	}
	return nil
}

// sizeList is a sentence with the range of the sizes, and a table with the largest first. Its
// order is that of the written figures: a few bytes more or less change nothing.
func sizeList(arch string, images []sized) string {
	written := func(bytes int64) float64 { return math.Round(megabytes(bytes)*10) / 10 }
	list := slices.SortedFunc(slices.Values(images), func(a, b sized) int {
		return cmp.Or(cmp.Compare(written(b.Program), written(a.Program)), strings.Compare(a.Name, b.Name))
	})
	compressed := slices.SortedFunc(slices.Values(images), func(a, b sized) int { return cmp.Compare(a.Compressed, b.Compressed) })
	var text strings.Builder
	fmt.Fprintf(&text, "%d images for linux/%s, by %s: the programs have %.1f to %.1f MB, the compressed images %.1f to %.1f MB.\n\n",
		len(list), arch, runtime.Version(), megabytes(list[len(list)-1].Program), megabytes(list[0].Program),
		megabytes(compressed[0].Compressed), megabytes(compressed[len(list)-1].Compressed))
	text.WriteString("| image | program, MB | compressed image, MB |\n|---|---|---|\n")
	for _, i := range list {
		fmt.Fprintf(&text, "| `%s` | %.1f | %.1f |\n", i.Name, megabytes(i.Program), megabytes(i.Compressed))
	}
	return text.String()
}
