package channel_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/cloudflare/circl/kem/mlkem/mlkem768"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// hybridVectors are testdata/hybrid.json, which docs/protocol.md quotes in full: a channel
// of version 2 between the SM2 keys of the vectors of version 1.
type hybridVectors struct {
	KEMSeed    hexed           `json:"kem_private"`
	Hello      channel.Hello   `json:"hello"`
	Welcome    channel.Welcome `json:"welcome"`
	Transcript hexed           `json:"transcript"`
	Digest     hexed           `json:"transcript_sm3"`
	Secret     hexed           `json:"shared_secret"`
	KEMSecret  hexed           `json:"kem_secret"`
	ToServer   hexed           `json:"client_to_server_key"`
	ToClient   hexed           `json:"server_to_client_key"`
	Request    frameVector     `json:"request"`
	Reply      frameVector     `json:"reply"`
	Declined   declinedVectors `json:"declined"`
}

// declinedVectors are the answer to the same hello of a bank that has chosen version 1.
type declinedVectors struct {
	Welcome    channel.Welcome `json:"welcome"`
	Transcript hexed           `json:"transcript"`
	Digest     hexed           `json:"transcript_sm3"`
	ToServer   hexed           `json:"client_to_server_key"`
	ToClient   hexed           `json:"server_to_client_key"`
}

const (
	hybridFile  = "testdata/hybrid.json"
	hybridStart = "<!-- vectors of version 2 -->\n```json\n"
	hybridEnd   = "```\n<!-- end of vectors of version 2 -->"
)

func readHybridVectors(t testing.TB) (hybridVectors, []byte) {
	t.Helper()
	raw, err := os.ReadFile(hybridFile)
	check.Must(t, err)
	var v hybridVectors
	check.Must(t, json.Unmarshal(raw, &v))
	return v, raw
}

func TestVectorsOfTheHybridHandshake(t *testing.T) {
	t.Parallel()
	v, _ := readHybridVectors(t)
	first, _ := readVectors(t)
	kem, err := sm.ParseKEMKey(v.KEMSeed)
	check.Must(t, err)
	equal(t, "encapsulation key", kem.Public(), v.Hello.KEMKey)
	bank, own := privateKey(t, first.BankKey.Private).Public(), privateKey(t, first.ClientKey.Private)
	client := channel.HybridClientWith(v.Hello, own, kem)
	for name, c := range map[string]struct {
		welcome                                channel.Welcome
		transcript, digest, toServer, toClient []byte
	}{
		"chosen":   {v.Welcome, v.Transcript, v.Digest, v.ToServer, v.ToClient},
		"declined": {v.Declined.Welcome, v.Declined.Transcript, v.Declined.Digest, v.Declined.ToServer, v.Declined.ToClient},
	} {
		equal(t, name+": transcript", channel.Transcript(v.Hello, c.welcome), c.transcript)
		equal(t, name+": its digest", sm.Digest(c.transcript), c.digest)
		id, keys, err := client.Finish(c.welcome, bank)
		check.Must(t, err)
		equal(t, name+": channel id", id[:], c.welcome.ChannelID)
		equal(t, name+": client to server", keys.ClientToServer[:], c.toServer)
		equal(t, name+": server to client", keys.ServerToClient[:], c.toClient)
	}
	if !v.Welcome.Hybrid() || v.Declined.Welcome.Hybrid() {
		t.Error("the vectors do not show both choices")
	}
	keys := channel.Keys{ClientToServer: sm.Key(v.ToServer), ServerToClient: sm.Key(v.ToClient)}
	request := v.Request.header(v.Welcome.ChannelID)
	frame, err := channel.SealRequest(keys, request, "POST", v.Request.Function, []byte(v.Request.Text))
	check.Must(t, err)
	equal(t, "request", frame, v.Request.Frame)
	opened, err := channel.OpenReply(keys, v.Reply.Frame, request, v.Reply.Function, v.Reply.Status)
	check.Must(t, err)
	equal(t, "reply's text", opened, []byte(v.Reply.Text))
}

func TestProtocolQuotesTheHybridVectors(t *testing.T) {
	t.Parallel()
	_, raw := readHybridVectors(t)
	wantQuoted(t, raw, hybridStart, hybridEnd, hybridFile)
}

// TestMakeHybridVectors makes new ones when asked to, as TestMakeVectors does.
func TestMakeHybridVectors(t *testing.T) { //nolint:paralleltest // it writes what the others read
	if !*update {
		t.Skip("only with -update")
	}
	writeVectors(t, makeHybridVectors(t), hybridStart, hybridEnd, hybridFile)
}

func makeHybridVectors(t *testing.T) hybridVectors {
	t.Helper()
	first, _ := readVectors(t)
	public, kem := mlkem768.NewKeyFromSeed(slices.Concat(named("kem d"), named("kem z")))
	packed, err := public.MarshalBinary()
	check.Must(t, err)
	v := hybridVectors{KEMSeed: slices.Concat(named("kem d"), named("kem z")), Hello: first.Hello, Welcome: first.Welcome}
	v.Hello.Version, v.Hello.KEMKey = channel.HybridVersion, packed
	v.Hello.App = &channel.App{Platform: "ios", Version: "3.2.0"}
	v.Hello.ClientRandom = named("client random of version 2")
	v.Welcome.ChannelID, v.Welcome.ServerRandom = named("channel id of version 2")[:16], named("server random of version 2")
	v.Welcome.ExpiresInS = 60
	v.Declined.Welcome = v.Welcome
	v.Welcome.KEMCiphertext = make([]byte, mlkem768.CiphertextSize)
	v.KEMSecret = make([]byte, mlkem768.SharedKeySize)
	public.EncapsulateTo(v.Welcome.KEMCiphertext, v.KEMSecret, named("kem m"))
	opened := make([]byte, mlkem768.SharedKeySize)
	kem.DecapsulateTo(opened, v.Welcome.KEMCiphertext)
	equal(t, "ML-KEM secret", opened, v.KEMSecret)
	v.Secret = theirAgreement(t, v.Welcome.ServerKey, first.ClientKey.Private)
	bank := privateKey(t, first.BankKey.Private)
	for _, c := range []struct {
		welcome                                *channel.Welcome
		transcript, digest, toServer, toClient *hexed
		encapsulated                           []byte
	}{
		{&v.Welcome, &v.Transcript, &v.Digest, &v.ToServer, &v.ToClient, v.KEMSecret},
		{&v.Declined.Welcome, &v.Declined.Transcript, &v.Declined.Digest, &v.Declined.ToServer, &v.Declined.ToClient, nil},
	} {
		*c.transcript = channel.Transcript(v.Hello, *c.welcome)
		*c.digest = sm.Digest(*c.transcript)
		c.welcome.Signature, err = sm.Sign(bank, *c.transcript)
		check.Must(t, err)
		*c.toServer, *c.toClient = theirHybridKeys(v.Secret, c.encapsulated, *c.transcript)
	}
	frames := vectors{Welcome: v.Welcome, ToServer: v.ToServer, ToClient: v.ToClient}
	frames.makeFrames(t)
	v.Request, v.Reply = frames.Request, frames.Reply
	return v
}
