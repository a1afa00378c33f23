package stepup_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// Load and Verify return the intent as it was saved. The bank computes the digest itself,
// and ignores the caller's.
func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, func(in *stepup.Intent) {
		in.Grade = risk.GradeRaised
		in.Digest = []byte("not it")
		in.ExpiresAt = in.ExpiresAt.Add(time.Microsecond)
	})
	got, err := stepup.Load(t.Context(), p.db.Reader(), p.ring, in.ID, p.customer, p.clock.Now())
	check.Must(t, err)
	if diff := cmp.Diff(in, got); diff != "" {
		t.Errorf("loaded (-saved +got):\n%s", diff)
	}
	evidence, err := p.confirm(t, in, p.code(t, in), p.sign(t, text))
	check.Must(t, err)
	if diff := cmp.Diff(in, evidence.Intent); diff != "" {
		t.Errorf("proven (-saved +got):\n%s", diff)
	}
}

func TestLoadWhatIsOpenAndOnesOwn(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	p, stranger := d.phone(t), d.phone(t)
	open, consumed, cancelled := p.intent(t), p.intent(t), p.intent(t)
	p.change(t, "UPDATE intent SET state = 'consumed' WHERE id = $1", consumed.ID)
	p.change(t, "UPDATE intent SET state = 'cancelled' WHERE id = $1", cancelled.ID)
	now := p.clock.Now()
	for _, tt := range []struct {
		name         string
		id, customer uuid.UUID
		at           time.Time
		want         error
	}{
		{"open", open.ID, p.customer, now, nil},
		{"in its last microsecond", open.ID, p.customer, open.ExpiresAt.Add(-time.Microsecond), nil},
		{"expired", open.ID, p.customer, open.ExpiresAt, stepup.ErrExpired},
		{"consumed", consumed.ID, p.customer, now, stepup.ErrUsed},
		{"cancelled", cancelled.ID, p.customer, now, stepup.ErrExpired},
		{"a stranger's", open.ID, stranger.customer, now, bankerr.ErrNotFound},
		{"a stranger's, consumed", consumed.ID, stranger.customer, now, bankerr.ErrNotFound},
		{"unknown", uuid.New(), p.customer, now, bankerr.ErrNotFound},
	} {
		got, err := stepup.Load(t.Context(), d.db.Reader(), d.ring, tt.id, tt.customer, tt.at)
		want(t, tt.name, err, tt.want)
		if diff := cmp.Diff(stepup.Intent{}, got); tt.want != nil && diff != "" {
			t.Errorf("%s: loaded all the same: %s", tt.name, diff)
		}
	}
}

func TestNothingCanBeReadInTheRow(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	first, second := p.intent(t), p.intent(t)
	for _, in := range []stepup.Intent{first, second} {
		row := check.Value[string](t, p.db.Pool(), "SELECT intent::text FROM intent WHERE id = $1", in.ID)
		if !strings.Contains(row, hex.EncodeToString(in.Digest)) {
			t.Fatalf("the row is not shown as this test expects: %s", row)
		}
		for _, clear := range []string{text, string(in.Payload), "李四", "0001", "100.00", "10000", "payee", "转账"} {
			if strings.Contains(row, hex.EncodeToString([]byte(clear))) || len(clear) > 5 && strings.Contains(row, clear) {
				t.Errorf("%q can be read in the row", clear)
			}
		}
	}
	var payloads, texts [2][]byte
	for i, in := range []stepup.Intent{first, second} {
		check.Must(t, p.db.Pool().QueryRow(t.Context(), "SELECT payload_ct, text_ct FROM intent WHERE id = $1", in.ID).
			Scan(&payloads[i], &texts[i]))
	}
	if bytes.Equal(payloads[0], payloads[1]) || bytes.Equal(texts[0], texts[1]) {
		t.Error("equal clear texts rest as equal ciphertexts")
	}
}

// A ciphertext opens only in its own row and column, unchanged, under its own keys.
func TestMovedCiphertextsDoNotOpen(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for name, move := range map[string]string{
		"another row's text":    "UPDATE intent a SET text_ct = b.text_ct FROM intent b WHERE a.id = $1 AND b.id = $2",
		"another row's payload": "UPDATE intent a SET payload_ct = b.payload_ct FROM intent b WHERE a.id = $1 AND b.id = $2",
		"all of another row": `UPDATE intent a SET payload_ct = b.payload_ct, text_ct = b.text_ct, digest = b.digest
  FROM intent b WHERE a.id = $1 AND b.id = $2`,
		"the payload as text": "UPDATE intent SET text_ct = payload_ct WHERE id = $1 AND id <> $2",
		"the text as payload": "UPDATE intent SET payload_ct = text_ct WHERE id = $1 AND id <> $2",
		"a changed text":      "UPDATE intent SET text_ct = set_byte(text_ct, 20, get_byte(text_ct, 20) # 1) WHERE id = $1 AND id <> $2",
		"a changed payload": `UPDATE intent SET payload_ct = set_byte(payload_ct, 20, get_byte(payload_ct, 20) # 1)
 WHERE id = $1 AND id <> $2`,
		"no text":    "UPDATE intent SET text_ct = '' WHERE id = $1 AND id <> $2",
		"clear text": "UPDATE intent SET text_ct = '向' WHERE id = $1 AND id <> $2",
	} {
		in, other := p.intent(t, keyOnly), p.intent(t, func(in *stepup.Intent) { in.Text = "向 赵六（尾号0002）转账 9.00元" })
		p.change(t, move, in.ID, other.ID)
		for _, signed := range []string{text, other.Text} {
			_, err := p.confirm(t, in, p.sign(t, signed))
			doesNotOpen(t, name, err)
		}
		_, err := stepup.Load(t.Context(), p.db.Reader(), p.ring, in.ID, p.customer, p.clock.Now())
		doesNotOpen(t, name+", loaded", err)
	}
	in := p.intent(t, keyOnly)
	foreign := keytest.New(t)
	_, err := stepup.Load(t.Context(), p.db.Reader(), foreign, in.ID, p.customer, p.clock.Now())
	doesNotOpen(t, "another bank's keys", err)
	_, err = stepup.Load(t.Context(), p.db.Reader(), p.ring, in.ID, p.customer, p.clock.Now())
	want(t, "in its place", err, nil)
}

// doesNotOpen wants ErrOpen as the cause of an internal error.
func doesNotOpen(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, keys.ErrOpen) || bankerr.From(err).Kind() != bankerr.Internal {
		t.Errorf("%s: %v", what, err)
	}
}

// The digest in the row decides what a code confirms, so it must be the text's.
func TestDigestIsOfTheText(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t)
	stored := check.Value[[]byte](t, p.db.Pool(), "SELECT digest FROM intent WHERE id = $1", in.ID)
	if !bytes.Equal(stored, sm.Digest([]byte(text))) {
		t.Errorf("the digest is %x", stored)
	}
}
