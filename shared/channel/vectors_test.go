package channel_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// hexed is bytes that JSON shows in hexadecimal.
type hexed []byte

func (h hexed) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexed) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	*h = raw
	return err
}

// pair is a key pair: the private number, and the public key as PKIX DER.
type pair struct {
	Private hexed `json:"private"`
	Public  hexed `json:"public"`
}

type frameVector struct {
	Function string `json:"function"`
	Status   int    `json:"status,omitempty"`
	Sequence uint64 `json:"sequence"`
	TimeMS   int64  `json:"time_ms"`
	Text     string `json:"text"`
	Header   hexed  `json:"header"`
	AAD      hexed  `json:"aad"`
	Nonce    hexed  `json:"nonce"`
	Frame    hexed  `json:"frame"`
}

// vectors are testdata/vectors.json, which docs/protocol.md quotes in full. Its
// keys protect nothing.
type vectors struct {
	BankKey      pair            `json:"bank_channel_key"`
	PasswordKey  pair            `json:"bank_password_key"`
	ClientKey    pair            `json:"client_key"`
	ServerKey    pair            `json:"server_key"`
	DeviceKey    pair            `json:"device_key"`
	Hello        channel.Hello   `json:"hello"`
	Welcome      channel.Welcome `json:"welcome"`
	Transcript   hexed           `json:"transcript"`
	Digest       hexed           `json:"transcript_sm3"`
	Secret       hexed           `json:"shared_secret"`
	ToServer     hexed           `json:"client_to_server_key"`
	ToClient     hexed           `json:"server_to_client_key"`
	Request      frameVector     `json:"request"`
	Reply        frameVector     `json:"reply"`
	Refusal      frameVector     `json:"refusal"`
	Password     string          `json:"password"`
	Sealed       hexed           `json:"password_sealed"`
	IntentText   string          `json:"intent_text"`
	IntentDigest hexed           `json:"intent_sm3"`
	Signature    hexed           `json:"intent_signature"`
}

var update = flag.Bool("update", false, "make new vectors, in testdata and in docs/protocol.md")

const (
	vectorsFile  = "testdata/vectors.json"
	protocolFile = "../../docs/protocol.md"
	vectorsStart = "<!-- vectors -->\n```json\n"
	vectorsEnd   = "```\n<!-- end of vectors -->"
)

func readVectors(t testing.TB) (vectors, []byte) {
	t.Helper()
	raw, err := os.ReadFile(vectorsFile)
	check.Must(t, err)
	var v vectors
	check.Must(t, json.Unmarshal(raw, &v))
	return v, raw
}

// privateKey reads a private number, as PKCS#8 carries it.
func privateKey(t testing.TB, number []byte) *sm.PrivateKey {
	t.Helper()
	prefix, err := hex.DecodeString("3041020100301306072a8648ce3d020106082a811ccf5501822d042730250201010420")
	check.Must(t, err)
	k, err := sm.ParsePrivateKey(append(prefix, number...))
	check.Must(t, err)
	return k
}

func (v vectors) keys() channel.Keys {
	return channel.Keys{ClientToServer: sm.Key(v.ToServer), ServerToClient: sm.Key(v.ToClient)}
}

func (f frameVector) header(id []byte) channel.Header {
	return channel.Header{ID: channel.ID(id), Sequence: f.Sequence, Time: time.UnixMilli(f.TimeMS)}
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %x, want %x", what, got, want)
	}
}

func TestVectorsOfTheHandshake(t *testing.T) {
	t.Parallel()
	v, _ := readVectors(t)
	bank := privateKey(t, v.BankKey.Private)
	for name, p := range map[string]pair{"bank": v.BankKey, "password": v.PasswordKey, "client": v.ClientKey, "server": v.ServerKey} {
		equal(t, name+"'s public key", marshal(t, privateKey(t, p.Private).Public()), p.Public)
	}
	equal(t, "hello's key", v.Hello.ClientKey, v.ClientKey.Public)
	equal(t, "welcome's key", v.Welcome.ServerKey, v.ServerKey.Public)
	equal(t, "password key", v.Welcome.PasswordKey, v.PasswordKey.Public)
	equal(t, "transcript", channel.Transcript(v.Hello, v.Welcome), v.Transcript)
	equal(t, "its digest", sm.Digest(v.Transcript), v.Digest)
	secret, err := sm.Agree(privateKey(t, v.ServerKey.Private), privateKey(t, v.ClientKey.Private).Public())
	check.Must(t, err)
	equal(t, "both keys", sm.Derive(secret, v.Digest, 32), append(bytes.Clone(v.ToServer), v.ToClient...))
	certified, err := sm.CertificateKey(v.Welcome.Certificate, time.UnixMilli(v.Request.TimeMS))
	check.Must(t, err)
	equal(t, "certificate's key", marshal(t, certified), v.BankKey.Public)
	id, keys, err := channel.ClientWith(v.Hello, privateKey(t, v.ClientKey.Private)).Finish(v.Welcome, bank.Public())
	check.Must(t, err)
	equal(t, "channel id", id[:], v.Welcome.ChannelID)
	equal(t, "client to server", keys.ClientToServer[:], v.ToServer)
	equal(t, "server to client", keys.ServerToClient[:], v.ToClient)
}

func TestVectorsOfTheFrames(t *testing.T) {
	t.Parallel()
	v, _ := readVectors(t)
	request := v.Request.header(v.Welcome.ChannelID)
	frame, err := channel.SealRequest(v.keys(), request, http.MethodPost, v.Request.Function, []byte(v.Request.Text))
	check.Must(t, err)
	equal(t, "request", frame, v.Request.Frame)
	opened, err := channel.OpenRequest(v.keys(), v.Request.Frame, http.MethodPost, v.Request.Function)
	check.Must(t, err)
	equal(t, "request's text", opened, []byte(v.Request.Text))
	for name, f := range map[string]frameVector{"reply": v.Reply, "refusal": v.Refusal} {
		h, err := channel.ParseHeader(f.Frame)
		if err != nil || h != f.header(v.Welcome.ChannelID) {
			t.Errorf("%s's header: %+v, %v", name, h, err)
		}
		opened, err := channel.OpenReply(v.keys(), f.Frame, request, f.Function, f.Status)
		check.Must(t, err)
		equal(t, name+"'s text", opened, []byte(f.Text))
	}
}

func TestVectorsOfTheProofs(t *testing.T) {
	t.Parallel()
	v, _ := readVectors(t)
	clear, err := sm.Decrypt(privateKey(t, v.PasswordKey.Private), v.Sealed)
	check.Must(t, err)
	equal(t, "password", clear, append(bytes.Clone(v.Welcome.ChannelID), v.Password...))
	if want := intentText(); v.IntentText != want {
		t.Errorf("text %q, want %q", v.IntentText, want)
	}
	equal(t, "text's digest", sm.Digest([]byte(v.IntentText)), v.IntentDigest)
	check.Must(t, sm.Verify(privateKey(t, v.DeviceKey.Private).Public(), []byte(v.IntentText), v.Signature))
}

func TestProtocolQuotesTheVectors(t *testing.T) {
	t.Parallel()
	_, raw := readVectors(t)
	wantQuoted(t, raw, vectorsStart, vectorsEnd, vectorsFile)
}

// wantQuoted fails the test unless docs/protocol.md holds the file between two marks.
func wantQuoted(t *testing.T, raw []byte, start, end, file string) {
	t.Helper()
	document, err := os.ReadFile(protocolFile)
	check.Must(t, err)
	_, rest, found := strings.Cut(string(document), start)
	quoted, _, ends := strings.Cut(rest, end)
	if !found || !ends || quoted != string(raw) {
		t.Error("docs/protocol.md does not quote " + file)
	}
}

// intentText is the text of a transfer as the bank writes it.
func intentText() string {
	plan := transfer.Plan{
		PayerAccountMasked: "622848*********1234", PayeeMasked: "**明", PayeeAccountMasked: "622848*********5678", PayeeCode: "48151623",
		Amount: money.Fen(1_234_56), Memo: "房租",
	}
	return plan.Text(uuid.MustParse("01936000-0000-7000-8000-000000000001"), time.UnixMilli(1795399200000))
}

// TestMakeVectors makes new ones when asked to: go test ./shared/channel -run TestMakeVectors -update.
// Numbers that are drawn at random elsewhere are digests of their names here.
func TestMakeVectors(t *testing.T) { //nolint:paralleltest // it writes what the others read
	if !*update {
		t.Skip("only with -update")
	}
	writeVectors(t, makeVectors(t), vectorsStart, vectorsEnd, vectorsFile)
}

// writeVectors writes vectors into a file, and between two marks of docs/protocol.md.
func writeVectors(t *testing.T, v any, start, end, file string) {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", "  ")
	check.Must(t, err)
	raw = append(raw, '\n')
	check.Must(t, os.WriteFile(file, raw, 0o644))
	document, err := os.ReadFile(protocolFile)
	check.Must(t, err)
	before, rest, found := strings.Cut(string(document), start)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends {
		t.Fatal("docs/protocol.md has no place for the vectors")
	}
	check.Must(t, os.WriteFile(protocolFile, []byte(before+start+string(raw)+end+after), 0o644))
}

func named(name string) []byte { return sm.Digest([]byte("tidebank vector: " + name)) }

func namedPair(t *testing.T, name string) (*sm.PrivateKey, pair) {
	t.Helper()
	k := privateKey(t, named(name))
	return k, pair{Private: named(name), Public: marshal(t, k.Public())}
}

func makeVectors(t *testing.T) vectors {
	t.Helper()
	var v vectors
	var bank, password, client, server, device *sm.PrivateKey
	bank, v.BankKey = namedPair(t, "bank channel key")
	password, v.PasswordKey = namedPair(t, "bank password key")
	client, v.ClientKey = namedPair(t, "client key")
	server, v.ServerKey = namedPair(t, "server key")
	device, v.DeviceKey = namedPair(t, "device key")
	at := time.UnixMilli(1795399200000)
	certificate, err := sm.SelfSigned(bank, "Tidebank channel", at.Add(-time.Hour), 24*time.Hour)
	check.Must(t, err)
	v.Hello = channel.Hello{
		Version: channel.Version, ClientKey: v.ClientKey.Public, ClientRandom: named("client random"), DeviceID: "ios-7f3a.0001",
	}
	v.Welcome = channel.Welcome{
		ChannelID: named("channel id")[:16], ServerKey: v.ServerKey.Public, ServerRandom: named("server random"),
		Certificate: certificate, PasswordKey: v.PasswordKey.Public, ExpiresInS: 43200,
	}
	v.Transcript = channel.Transcript(v.Hello, v.Welcome)
	v.Digest = sm.Digest(v.Transcript)
	v.Welcome.Signature, err = sm.Sign(bank, v.Transcript)
	check.Must(t, err)
	secret, err := sm.Agree(server, client.Public())
	check.Must(t, err)
	v.Secret = theirSecret(t, v)
	keys := sm.Derive(secret, v.Digest, 32)
	v.ToServer, v.ToClient = keys[:16], keys[16:]
	v.makeFrames(t)
	v.Password = "739164"
	v.Sealed, err = sm.Encrypt(password.Public(), append(bytes.Clone(v.Welcome.ChannelID), v.Password...))
	check.Must(t, err)
	v.IntentText = intentText()
	v.IntentDigest = sm.Digest([]byte(v.IntentText))
	v.Signature, err = sm.Sign(device, []byte(v.IntentText))
	check.Must(t, err)
	return v
}

func (v *vectors) makeFrames(t *testing.T) {
	t.Helper()
	const function = "transfer-get"
	id := v.Welcome.ChannelID
	request := frameVector{
		Function: function, Sequence: 1, TimeMS: 1795399200123,
		Text: `{"idempotency_key":"","request":{"transfer_id":"01936000-0000-7000-8000-000000000001"}}`,
	}
	frame, err := channel.SealRequest(v.keys(), request.header(id), http.MethodPost, function, []byte(request.Text))
	check.Must(t, err)
	request.Frame, request.Header = frame, frame[:33]
	request.Nonce = append(make([]byte, 4), frame[17:25]...)
	request.AAD = append(bytes.Clone(frame[:33]), "POST/"+function...)
	v.Request = request
	reply := func(status int, context, text string) frameVector {
		f := frameVector{Function: function, Status: status, Sequence: 1, TimeMS: 1795399200456, Text: text}
		f.Frame, err = channel.SealReply(v.keys(), request.header(id), time.UnixMilli(f.TimeMS), function, status, []byte(text))
		check.Must(t, err)
		f.Header, f.Nonce = f.Frame[:33], f.Frame[33:45]
		f.AAD = append(bytes.Clone(f.Header), context...)
		return f
	}
	v.Reply = reply(200, "POST/transfer-get200", `{"status":"posted"}`)
	v.Refusal = reply(404, "POST/transfer-get404",
		`{"type":"about:blank","status":404,"code":"OBJECT_NOT_FOUND","title":"没有找到相关信息","detail":"请返回后刷新重试",`+
			`"trace":"4bf92f3577b34da6a3ce929d0e0e4736"}`)
}
