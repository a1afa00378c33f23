package functions_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// inStore matches the tables of the biometric store, and the one of an earlier release.
const inStore = "(table_name LIKE 'bio\\_%' OR table_name = 'face_reference')"

// identityColumns are those that tell who a customer is, as the data catalogue lists them.
func identityColumns(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, item := range dataCatalogue(t) {
		if slices.Contains([]string{"ID number", "name", "contact", "birth date", "address", "account number"}, item.Item) {
			list = append(list, item.Columns...)
		}
	}
	return req.AtLeast(t, 10, list)
}

// No account of the bank reads both who a customer is and the biometric store.
func TestNoRoleReadsIdentityAndBiometrics(t *testing.T) {
	t.Parallel()
	owner, url := pgtest.NewURL(t)
	check.Must(t, roles.Apply(t.Context(), url))
	store := req.AtLeast(t, 8, check.Column[string](t, owner.Pool(), `
SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' AND `+inStore+` ORDER BY 1`))
	may := func(role string, columns []string) (list []string) {
		t.Helper()
		for _, c := range columns {
			table, column, _ := strings.Cut(c, ".")
			if check.Value[bool](t, owner.Pool(), "SELECT has_column_privilege($1, $2, $3, 'SELECT')", role, table, column) {
				list = append(list, c)
			}
		}
		return list
	}
	var people, faces []string
	for _, role := range req.AtLeast(t, 40, roles.Names()) {
		who, bio := may(role, identityColumns(t)), may(role, store)
		if len(who) > 0 && len(bio) > 0 {
			t.Errorf("%s reads %q and %q", role, who, bio)
		}
		if len(who) > 0 {
			people = append(people, role)
		}
		if len(bio) > 0 {
			faces = append(faces, role)
		}
		if check.Value[bool](t, owner.Pool(), "SELECT EXISTS (SELECT FROM pg_auth_members WHERE member = $1::text::regrole)", role) {
			t.Errorf("%s has the rights of another role", role)
		}
	}
	if want := []string{"tidebank_identity_consent_set", "tidebank_identity_face_finish"}; !slices.Equal(faces, want) || len(people) < 10 {
		t.Errorf("%q read the store, want %q; %d read customers", faces, want, len(people))
	}
	// What runs with the owner's rights tells a caller no row of the store.
	for _, f := range check.Column[string](t, owner.Pool(), `
SELECT proname || ' ' || prorettype::regtype FROM pg_proc WHERE prosecdef AND prosrc ~ 'bio_|face_reference' ORDER BY 1`) {
		if f != "bio_prune boolean" && f != "bio_referenced boolean" {
			t.Errorf("%s reads the store with the owner's rights", f)
		}
	}
	for role, sql := range map[string]string{
		"identity-me": "SELECT * FROM bio_reference", "transfer-prepare": "SELECT reference_ct FROM bio_reference",
		"bank-upkeep": "SELECT * FROM bio_result", "identity-face-begin": "SELECT person FROM bio_reference",
		"identity-face-finish": "SELECT name_ct FROM customer", "identity-consent-set": "SELECT idno_ct FROM customer",
	} {
		var refused *pgconn.PgError
		if _, err := as(t, url, role).Pool().Exec(t.Context(), sql); !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: %s: %v, want a missing privilege", role, sql, err)
		}
	}
	req.Covers(t, "BIO-008.1")
}

// forms are the spellings in which bytes could be readable.
func forms(raw []byte) []string {
	return []string{
		string(raw), hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
		string(raw),
	}
}

// The biometric store names a customer by a pseudonym that only its key makes, and holds no data
// about the person. What links to it is nowhere else.
func TestTheBiometricStoreKnowsNobody(t *testing.T) {
	t.Parallel()
	j := newJourney(t)
	j.travel(t)
	// The rows as texts; PostgreSQL writes bytes in hexadecimal digits.
	var store, rest []string
	for _, table := range j.Tables(t) {
		rows := check.Column[string](t, j.Host.DB.Pool(), "SELECT t::text FROM "+table+" t")
		if strings.HasPrefix(table, "bio_") {
			store = append(store, rows...)
		} else {
			rest = append(rest, rows...)
		}
	}
	text, others := strings.Join(req.AtLeast(t, 2, store), "\n"), strings.Join(req.AtLeast(t, 50, rest), "\n")
	person := face.PersonOf(j.Host.Keys, j.Payer.ID)
	if !strings.Contains(text, hex.EncodeToString(person)) {
		t.Error("the store does not name the payer by the pseudonym")
	}
	if bytes.Equal(person, face.PersonOf(keytest.New(t), j.Payer.ID)) || bytes.Equal(person, face.PersonOf(j.Host.Keys, j.Payee.ID)) {
		t.Error("the pseudonym depends on no key, or on no customer")
	}
	for _, form := range forms(person) {
		if strings.Contains(others, form) {
			t.Error("the pseudonym stands outside the store")
		}
	}
	ids := []string{j.Payer.ID.String(), j.Payer.Name, j.Payer.Phone, j.Payer.IDNo, j.Phone.ID, j.Payer.Accounts[0].No}
	for _, id := range check.Column[uuid.UUID](t, j.Host.DB.Pool(), "SELECT id FROM face_check UNION SELECT id FROM intent") {
		ids = append(ids, id.String())
	}
	forms := []string{string(sm.Digest(j.Payer.ID[:])), string(sm.Digest([]byte(j.Payer.ID.String())))}
	for _, id := range slices.Concat(ids, forms, []string{string(j.Payer.ID[:])}) {
		if strings.Contains(text, id) || strings.Contains(text, hex.EncodeToString([]byte(id))) {
			t.Errorf("the store holds %q", id)
		}
	}
	columns := check.Column[string](t, j.Host.DB.Pool(), `
SELECT table_name || '.' || column_name FROM information_schema.columns
 WHERE table_schema = 'public' AND table_name LIKE 'bio\_%' ORDER BY 1`)
	want := []string{
		"bio_reference.person", "bio_reference.reference_ct", "bio_reference.taken_at",
		"bio_result.digest_ct", "bio_result.id", "bio_result.made_at", "bio_result.person",
	}
	if !slices.Equal(columns, want) {
		t.Errorf("the store has the columns %q", columns)
	}
	// The sealed texts hold no identity data either.
	for _, sealed := range check.Column[[]byte](t, j.Host.DB.Pool(), "SELECT reference_ct FROM bio_reference") {
		clear, err := j.Host.Keys.Open(keys.Biometric, keys.AAD("bio_reference", "reference_ct", hex.EncodeToString(person)), sealed)
		check.Must(t, err)
		for _, id := range ids {
			if bytes.Contains(clear, []byte(id)) {
				t.Errorf("a reference holds %q", id)
			}
		}
	}
	if n := j.Count(t, "SELECT count(*) FROM bio_result"); n == 0 {
		t.Error("the journey has kept no result")
	}
	if n := j.Count(t, `SELECT count(*) FROM bio_result JOIN face_check
    ON made_at IN (created_at, expires_at, tried_at, ended_at) OR made_at <> date_trunc('day', made_at, 'Asia/Shanghai')`); n != 0 {
		t.Errorf("the time of %d results is that of a check, or more than its day", n)
	}
	digests := j.Count(t, "SELECT count(*) FROM face_check WHERE template_digest <> ''")
	if n := digests + j.Count(t, "SELECT count(*) FROM face_reference"); n != 0 {
		t.Errorf("%d rows hold biometric data beside the customer's id", n)
	}
	req.Covers(t, "BIO-008.2")
}

// A customer's photo handle, template and capture are readable in no reply, event, log or store. An
// export of the database holds them sealed.
func TestBiometricDataIsReadableNowhere(t *testing.T) {
	t.Parallel()
	j := newJourney(t)
	photo := j.faces.Photo(t, j.Payer)
	j.travel(t)
	var asked struct {
		Capture []byte `json:"capture"`
	}
	check.Must(t, json.Unmarshal(j.sent["identity-face-finish"], &asked))
	handles := check.Column[[]byte](t, j.Host.DB.Pool(), "SELECT reference_ct FROM bio_reference")
	person := hex.EncodeToString(face.PersonOf(j.Host.Keys, j.Payer.ID))
	clear, err := j.Host.Keys.Open(keys.Biometric, keys.AAD("bio_reference", "reference_ct", person), handles[0])
	check.Must(t, err)
	var kept face.Reference
	check.Must(t, json.Unmarshal(clear, &kept))
	if kept.Handle == photo.Handle || kept.Handle == uuid.Nil {
		t.Fatalf("the journey keeps the photo %v", kept.Handle)
	}
	secrets := map[string][]byte{
		"capture": asked.Capture[40:80], "handle": kept.Handle[:], "stored template": facesim.Template(kept.Handle),
		"digest of the stored template": kept.Template, "digest of the face": sm.Digest([]byte("template"), kept.Handle[:]),
		"picture": []byte(facetest.Image),
	}
	j.wander(t) // refused calls are logged
	var replies strings.Builder
	for _, list := range j.good {
		for _, r := range list {
			replies.Write(r.Body)
		}
	}
	places := map[string]string{
		"replies": replies.String(), "events": strings.Join(j.told, "\n"), "log": j.Log.String(), "export of the database": j.Stored(t),
		"cache": j.Cached(t),
	}
	for place, text := range places {
		if len(text) < 1000 && place != "cache" {
			t.Fatalf("only %d bytes of %s", len(text), place)
		}
		for what, raw := range secrets {
			for _, form := range append(forms(raw), kept.Handle.String()) {
				if bank.Shows(text, form) || strings.Contains(text, form) {
					t.Errorf("%s: the %s", place, what)
					break
				}
			}
		}
	}
	req.Covers(t, "BIO-007.3")
}
