package account_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/account"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/page"
)

func TestCursorsOpenWhatTheySealedForTheAccount(t *testing.T) {
	t.Parallel()
	ring, err := keys.NewTestRing()
	if err != nil {
		t.Fatal(err)
	}
	other, err := keys.NewTestRing()
	if err != nil {
		t.Fatal(err)
	}
	own, foreign := uuid.New(), uuid.New()
	place := page.Place{At: time.UnixMicro(1795399200000001), ID: uuid.New()}
	cursors := account.NewCursors(ring)
	text := cursors.Seal(own, place)
	if got, err := cursors.Open(own, text); err != nil || got != place {
		t.Fatalf("Open(Seal(place)) = %v, %v", got, err)
	}
	if got, err := cursors.Open(own, ""); err != nil || got != (page.Place{}) {
		t.Fatalf("Open of nothing = %v, %v", got, err)
	}
	if _, err := cursors.Open(foreign, text); err == nil {
		t.Error("opened for another account")
	}
	if _, err := account.NewCursors(other).Open(own, text); err == nil {
		t.Error("opened under another bank's key")
	}
	if _, err := cursors.Open(own, place.String()); err == nil {
		t.Error("opened without a seal")
	}
	for i := range text {
		changed := []byte(text)
		changed[i] ^= 1
		if _, err := cursors.Open(own, string(changed)); err == nil {
			t.Errorf("opened with its byte %d changed", i)
		}
	}
}
