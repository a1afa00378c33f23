package bank_test

import (
	"testing"

	"github.com/tidebank/tidebank/test/bank"
)

func TestLogLinesWithoutTimeOrTraceAreFound(t *testing.T) {
	t.Parallel()
	const at, trace = `"time":"2026-11-23T10:00:00.5+08:00"`, `"trace":"4bf92f3577b34da6a3ce929d0e0e4736"`
	good := "{" + at + "," + trace + "}\n"
	if err := bank.CheckLog(good + good); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{
		"panic: x", "{" + at + "}", "{" + trace + "}", `{"time":"2026-11-23T10:00:00",` + trace + "}",
		"{" + at + `,"trace":""}`, "{" + at + `,"group":{` + trace + "}}",
	} {
		if bank.CheckLog(good+bad+"\n"+good) == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
