package message

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/pgtest"
)

func TestStatementsPrepare(t *testing.T) {
	t.Parallel()
	conn, err := pgtest.New(t).Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, sql := range []string{sqlPage, sqlUnread, sqlRead, sqlReadAll} {
		if _, err := conn.Conn().Prepare(t.Context(), sql, sql); err != nil {
			t.Errorf("%s\n%v", sql, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	p := Place{At: time.UnixMicro(1795399200000001), ID: uuid.New()}
	got, ok := ParsePlace(p.String())
	if !ok || !got.At.Equal(p.At) || got.ID != p.ID {
		t.Fatalf("%v came back as %v, %v", p, got, ok)
	}
	if got, ok := ParsePlace(""); !ok || got != (Place{}) {
		t.Fatalf("nothing is %v, %v", got, ok)
	}
	for _, text := range []string{"x", "====", p.String()[1:], p.String() + "AAAA", "_" + p.String()[1:]} {
		if _, ok := ParsePlace(text); ok {
			t.Errorf("%q is a place", text)
		}
	}
}
