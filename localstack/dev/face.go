package dev

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/face"
)

// photo gives the customer with the number a reference photo that is taken now, and answers
// with its handle: whose face is to be before the camera.
func (p Page) photo(w http.ResponseWriter, r *http.Request) {
	number, _ := customer.CanonicalPhone(r.FormValue("phone"))
	who, err := customer.ByPhone(r.Context(), p.Host.DB.Reader(), customer.PhoneIndex(p.Host.Keys, number))
	if err != nil {
		http.Error(w, "no customer has this number: /dev/face/photo?phone=…", http.StatusNotFound)
		return
	}
	made := face.Reference{Handle: uuid.New(), Kind: face.Counter, TakenAt: p.Clock.Now()}
	err = p.Seeder.Refer(r.Context(), seed.Customer{ID: who.ID}, made)
	reply(w, map[string]uuid.UUID{"face": made.Handle}, err)
}

// capture does the work of the SDK in the app: it takes the answer of identity-face-begin and a
// scene, and answers with the capture. A scene without actions does what the challenge asks.
func (p Page) capture(w http.ResponseWriter, r *http.Request) {
	var order struct {
		ID      uuid.UUID     `json:"check_id"`
		Nonce   []byte        `json:"nonce"`
		Actions []face.Action `json:"actions"`
		Expires string        `json:"expires_at"` // so that the answer can be sent as it is
		Scene   facesim.Scene `json:"scene"`
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	body.DisallowUnknownFields()
	if err := body.Decode(&order); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if order.Scene.Does == nil {
		order.Scene.Does = order.Actions
	}
	made, err := p.Face.Capture(face.Challenge{ID: order.ID, Nonce: order.Nonce, Actions: order.Actions}, order.Scene)
	reply(w, map[string][]byte{"capture": made}, err)
}
