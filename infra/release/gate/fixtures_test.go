package gate_test

import (
	"strings"
	"testing"

	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/test/req"
)

// The source holds only numbers of the reserved ranges, and the scan finds a planted
// number outside of them in each kind of file.
func TestTestDataAreOfTheReservedRanges(t *testing.T) {
	t.Parallel()
	req.Covers(t, "QA-005.3")
	list, err := gate.Fixtures(t.Context(), root)
	if err != nil || len(list) > 0 {
		t.Error(err, list)
	}
	w := newWorkshop(t)
	// The numbers are put together here, so that the scan of our own source does not find them.
	phone, id, card := "1591"+"2345678", "44010319720115"+"0311", "62220"+"20000000000999"
	for path, text := range map[string]string{
		"a_test.go":                `Phone: "` + phone + `",`,
		"testdata/b.json":          `{"phone":"` + phone + `"}`,
		"docs/c.md":                "call " + phone,
		"localstack/d.go":          "const p = `" + phone + "`",
		"shared/x/testdata/fuzz/e": "string(\"+86" + phone + "\")",
	} {
		w.finds(t, path, text, "phone number "+phone)
	}
	w.finds(t, "f_test.go", `"86`+phone+`"`, "phone number "+phone)
	w.finds(t, "g_test.go", id, "identity number "+id)
	w.finds(t, "h_test.go", card, "card number "+card)
	for _, text := range []string{
		"13800010001", "110101199003070011", "6228480000000010001", "13000000000", // reserved, or a limit of the form
		"a1" + phone, phone + "f", "019ab0f2-4c00-7d2e-9a61-" + phone + "0", // a hash, an id
		"44010319720115" + "0312", // a wrong check digit
	} {
		write(t, w.source+"/quiet.txt", text)
		if list, err := gate.Fixtures(t.Context(), w.source); err != nil || len(list) > 0 {
			t.Errorf("%s: %v, %v", text, err, list)
		}
	}
}

// finds plants a text, and fails the test unless the scan finds it, and nothing else.
func (w *workshop) finds(t *testing.T, path, text, want string) {
	t.Helper()
	write(t, w.source+"/"+path, "first line\n"+text+"\n")
	list, err := gate.Fixtures(t.Context(), w.source)
	if err != nil || len(list) != 1 || !strings.HasPrefix(list[0].What, path+":2 holds the "+want) {
		t.Errorf("%s: %v, %v; want %q", path, err, list, want)
	}
	write(t, w.source+"/"+path, "x\n")
}
