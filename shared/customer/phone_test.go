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
		"1380001000a": false, "138 0001000": false, "+8612800010001": false, "138-0001000": false, "1380001000\n": false,
		"0013800010001": false, "8513800010001": false, "+13800010001": false, "0086": false, "868613800010001": false,
		"1:800010001": false, "1/800010001": false, "1380001000/": false, "1380001000:": false,
	} {
		if got := customer.ValidPhone(number); got != want {
			t.Errorf("Valid(%q) = %v", number, got)
		}
	}
}

func TestOnePhoneInItsSpellings(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	for _, spelling := range []string{
		"13902055595", "139 0205 5595", "139-0205-5595", "139–0205–5595", "+8613902055595", "+86 139 0205 5595", "+86-139-0205-5595",
		"＋86 139 0205 5595", "008613902055595", "0086 139 0205 5595", "8613902055595", "１３９０２０５５５９５", " 13902055595\u200b",
	} {
		got, ok := customer.CanonicalPhone(spelling)
		if !ok || got != "13902055595" || !customer.ValidPhone(spelling) {
			t.Errorf("%+q is %q, %v", spelling, got, ok)
		}
		if !bytes.Equal(customer.PhoneIndex(ring, spelling), customer.PhoneIndex(ring, "13902055595")) {
			t.Errorf("%+q has an index of its own", spelling)
		}
	}
}

func TestAPhoneIsElevenDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`(0086|\+86|86|\+)?[0-9:/ ]{10,12}`)).Draw(t, "text")
		got, ok := customer.CanonicalPhone(text)
		if ok != (got != "") || ok && (len(got) != 11 || got[0] != '1' || got[1] < '3' || strings.Trim(got, "0123456789") != "") {
			t.Fatalf("%q is the number %q, %v", text, got, ok)
		}
		if again, _ := customer.CanonicalPhone(got); again != got {
			t.Fatalf("%q becomes %q", got, again)
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
		"purpose":         customer.PhoneBinding("register", one, []byte("device-1")),
		"number":          customer.PhoneBinding("login", two, []byte("device-1")),
		"device":          customer.PhoneBinding("login", one, []byte("device-2")),
		"no device":       customer.PhoneBinding("login", one, []byte("")),
		"shorter purpose": customer.PhoneBinding("logi", append([]byte("n"), one...), []byte("device-1")),
	} {
		if bytes.Equal(binding, other) {
			t.Errorf("another %s has the same binding", name)
		}
	}
}
