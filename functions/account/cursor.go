package account

import (
	"crypto/hmac"
	"encoding/base64"
	"strings"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/page"
	"github.com/tidebank/tidebank/shared/sm"
)

// Cursors seals where a page of a statement ended, so that a client can hand it
// back and neither read meaning into it nor make one: each holds for one account
// only. Cursors lives as briefly as paging does, so its key comes from the
// session key's current version; after a rotation a client starts over.
type Cursors struct{ key []byte }

// NewCursors returns Cursors under the ring's key.
func NewCursors(ring *keys.Ring) Cursors {
	return Cursors{ring.Derive(keys.Session, []byte("account statement cursor"))}
}

// sealBytes is how much of the HMAC-SM3 a cursor carries.
const sealBytes = 16

// Seal is the cursor as a client keeps it: place and seal, joined by a dot.
func (c Cursors) Seal(account uuid.UUID, place page.Place) string {
	text := place.String()
	return text + "." + base64.RawURLEncoding.EncodeToString(c.sum(account, text))
}

// Open reads what Seal gave out for the same account; the empty text is the
// newest entry. Everything else is refused.
func (c Cursors) Open(account uuid.UUID, text string) (page.Place, error) {
	if text == "" {
		return page.Place{}, nil
	}
	place, seal, _ := strings.Cut(text, ".")
	want := base64.RawURLEncoding.EncodeToString(c.sum(account, place))
	if !hmac.Equal([]byte(seal), []byte(want)) {
		return page.Place{}, bankerr.ErrInput.Because(page.ErrPlace)
	}
	return page.Parse(place)
}

func (c Cursors) sum(account uuid.UUID, place string) []byte {
	return sm.MAC(c.key, account[:], []byte(place))[:sealBytes]
}
