package customer_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/test/keytest"
)

func TestValidPhone(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]bool{
		"13800010001": true, "13000000000": true, "19999999999": true, "17012345678": true,
		"": false, "1": false, "1380001000": false, "138000100010": false,
		"12800010001": false, "10800010001": false, "23800010001": false, "03800010001": false,
		"1380001000a": false, "138 0001000": false, "+8613800010001": false, "138-0001000": false, "1380001000\n": false,
		"１３８０００１０００１": false, "1:800010001": false, "1/800010001": false, "1380001000/": false, "1380001000:": false,
	} {
		if got := customer.ValidPhone(number); got != want {
			t.Errorf("Valid(%q) = %v", number, got)
		}
	}
}

func TestAPhoneIsElevenDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9:/ ]{10,12}`), rapid.StringMatching(`1[3-9][0-9]{9}`)).Draw(t, "text")
		want := len(text) == 11 && text[0] == '1' && text[1] >= '3' && strings.Trim(text, "0123456789") == ""
		if got := customer.ValidPhone(text); got != want {
			t.Fatalf("Valid(%q) = %v", text, got)
		}
	})
}

func TestIndexIsTheNumbersOwn(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	index := customer.PhoneIndex(ring, "13800010001")
	if !bytes.Equal(index, customer.PhoneIndex(ring, "13800010001")) || !bytes.Equal(index, ring.BlindIndex("phone", "13800010001")) {
		t.Error("the index is not the field's")
	}
	other, elsewhere := customer.PhoneIndex(ring, "13800010002"), customer.PhoneIndex(keytest.New(t), "13800010001")
	if bytes.Equal(index, other) || bytes.Equal(index, elsewhere) {
		t.Error("another number or ring has the same index")
	}
}

func TestBindingSeparates(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	one, two := customer.PhoneIndex(ring, "13800010001"), customer.PhoneIndex(ring, "13800010002")
	binding := customer.PhoneBinding("login", one, []byte("device-1"))
	if !bytes.Equal(binding, customer.PhoneBinding("login", one, []byte("device-1"))) {
		t.Error("the same differs")
	}
	for name, other := range map[string][]byte{
		"purpose": customer.PhoneBinding("register", one, []byte("device-1")), "number": customer.PhoneBinding("login", two, []byte("device-1")),
		"device": customer.PhoneBinding("login", one, []byte("device-2")), "no device": customer.PhoneBinding("login", one, []byte("")),
		"shorter purpose": customer.PhoneBinding("logi", append([]byte("n"), one...), []byte("device-1")),
	} {
		if bytes.Equal(binding, other) {
			t.Errorf("another %s has the same binding", name)
		}
	}
}
