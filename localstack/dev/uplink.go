package dev

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/uplink"
)

// uplink answers with a text that a phone sends to the bank, as the gateway posts it to otp-uplink.
func (p Page) uplink(w http.ResponseWriter, r *http.Request) {
	sent := uplink.Message{ID: uuid.NewString(), Phone: r.FormValue("phone"), Text: r.FormValue("text")}
	reply(w, sent.Sign(p.SMS.Secret, p.Clock.Now()), nil)
}
