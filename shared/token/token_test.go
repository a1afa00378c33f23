package token_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/check"
)

// The vector of docs/protocol.md was made with another implementation (OpenSSL).
func TestTheVectorOfTheDocument(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../channel/testdata/vectors.json")
	check.Must(t, err)
	var v struct {
		Text string `json:"intent_text"`
	}
	check.Must(t, json.Unmarshal(raw, &v))
	var seed [16]byte
	for i := range seed {
		seed[i] = byte(i)
	}
	at := time.Date(2026, 11, 23, 2, 0, 30, 0, time.UTC)
	challenge := token.Challenge(v.Text)
	document, err := os.ReadFile("../../docs/protocol.md")
	check.Must(t, err)
	for _, row := range []string{
		fmt.Sprintf("| time | %s, so T is %d |", at.Format(time.RFC3339), at.Unix()/60),
		fmt.Sprintf("| challenge | `%s` |", challenge),
		fmt.Sprintf("| response by SM3, by SM4 | `%s`, `%s` |",
			token.Response(token.SM3, seed, at, challenge), token.Response(token.SM4, seed, at, challenge)),
		fmt.Sprintf("| code without a challenge by SM3, by SM4 | `%s`, `%s` |",
			token.Response(token.SM3, seed, at, ""), token.Response(token.SM4, seed, at, "")),
	} {
		if !strings.Contains(string(document), row) {
			t.Errorf("the document does not hold %s", row)
		}
	}
}
