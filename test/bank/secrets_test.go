package bank_test

import (
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/bank"
)

func TestValuesInATextAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"password 739164": true, "x739164y": true, "id 0190c3a0-7391-7391-6473-739164000000": false,
		"trace 4bf92f3577b34da6a3739164d0e0e473": false, "2026-11-23T10:00:00.739164+08:00": false, "73916 4": false,
		"sample_sum:0.739164": false, "seconds:1 nanos:739164": false, "value:739164": true, "1.739164": true,
	} {
		if got := bank.Shows(text, "739164"); got != want {
			t.Errorf("%q shows the password: %v, want %v", text, got, want)
		}
	}
	for _, long := range []string{"110101199003070011", "6228480000000010001", "王小明", "13810007919"} {
		if !bank.Shows("a text with "+long+" in it", long) {
			t.Errorf("%q is not found", long)
		}
	}
}

func TestStoredShowsEachTypeOfColumn(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	b.Exec(t, `CREATE TABLE probe AS SELECT '王一'::text AS a, convert_to('王二', 'UTF8') AS b,
jsonb_build_object('name', '王三') AS c, ARRAY['王四'] AS d, 739164 AS e`)
	stored := b.Stored(t)
	for _, value := range []string{"王一", "王二", "王三", "王四", "739164"} {
		if !strings.Contains(stored, value) {
			t.Errorf("%q is not found", value)
		}
	}
}
