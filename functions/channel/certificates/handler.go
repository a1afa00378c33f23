// Package certificates tells apps the bank's channel keys before they change.
//
//	POST /function/channel-certificates   public
//
// The reply is sealed in a channel that the app has authenticated by a pin that it
// trusts. So an app learns the pin of the next key from the bank itself. Old keys are not
// told: no app should begin to trust them.
package certificates

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "channel-certificates", Summary: "Tell the current and the next channel key", Audience: fn.Public, NoDatabase: true,
	Keys:         []keys.Purpose{keys.Channel},
	Requirements: []string{"CRYPTO-014", "CRYPTO-016"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request asks for the list.
type Request struct{}

// Response lists the current key first.
type Response struct {
	Certificates []Certificate `json:"certificates"`
}

// Certificate is a channel key with its certificate.
type Certificate struct {
	State       string `json:"state" enum:"current,next" doc:"The next key becomes current when the bank changes its key"`
	PublicKey   []byte `json:"public_key" doc:"SM2 public key, PKIX DER: the app pins it"`
	Certificate []byte `json:"certificate" doc:"X.509 DER of this key"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	// The keys can change while the process serves.
	return func(context.Context, *fn.Call, Request) (told Response, err error) {
		for _, k := range lent.Keys.ChannelKeys() {
			if k.State == keys.ChannelOld {
				continue
			}
			public, err := k.Public().Marshal()
			if err != nil {
				return Response{}, err
			}
			told.Certificates = append(told.Certificates, Certificate{
				State: string(k.State), PublicKey: public, Certificate: k.Certificate,
			})
		}
		return told, nil
	}, nil
}
