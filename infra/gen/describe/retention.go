package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/workers/upkeep"
)

// retention lists how long each table keeps its rows.
func retention() []byte {
	var b bytes.Buffer
	b.WriteString(notice)
	b.WriteString("# Retention\n\nThe worker `bank-upkeep` deletes rows that are older than their table's window. The package that " +
		"owns a table declares the window.\n\n| table | rows are kept | why that is enough |\n|---|---|---|\n")
	pruned := upkeep.Retentions()
	slices.SortFunc(pruned, func(a, b pg.Retention) int { return strings.Compare(a.Table, b.Table) })
	for _, r := range pruned {
		window := fmt.Sprintf("%d days", r.Keep/(24*time.Hour))
		if window == "1 days" {
			window = "1 day"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.Table, window, r.Why)
	}
	b.WriteString("\nNothing prunes these tables:\n\n| table | why its rows stay |\n|---|---|\n")
	kept := upkeep.Kept()
	for _, table := range slices.Sorted(maps.Keys(kept)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", table, kept[table])
	}
	return b.Bytes()
}
