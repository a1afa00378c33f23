package functions_test

import (
	"encoding/hex"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/infra/sealed"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// ofReference and ofResult read the biometric store as tide keys verify does. The tests of
// identity-face-finish call the function that reads it.
func ofReference(t *testing.T, p fixture) reading {
	t.Helper()
	photo := face.Reference{Handle: uuid.New(), Kind: face.Counter, TakenAt: p.Clock.Now()}
	photo.Template = sm.Digest(photo.Handle[:])
	check.Must(t, p.Seeder().Refer(t.Context(), p.Payer, photo))
	person := hex.EncodeToString(face.PersonOf(p.Host.Keys, p.Payer.ID))
	return reading{
		row: `person = '\x` + person + `'`, clear: []string{string(photo.Handle[:]), string(photo.Template)}, refused: "damaged",
		use: p.verified(t, "bio_reference.reference_ct"),
	}
}

func ofResult(t *testing.T, p fixture) reading {
	t.Helper()
	result, digest := uuid.New(), sm.Digest([]byte("a face"))
	kept, err := p.Host.Keys.Seal(keys.Biometric, keys.AAD("bio_result", "digest_ct", result.String()), digest)
	check.Must(t, err)
	p.Exec(t, "INSERT INTO bio_result (id, person, digest_ct, made_at) VALUES ($1, $2, $3, now())",
		result, face.PersonOf(p.Host.Keys, p.Payer.ID), kept)
	return reading{row: id(result), clear: []string{string(digest)}, refused: "damaged", use: p.verified(t, "bio_result.digest_ct")}
}

// verified reads a sealed column as tide keys verify does.
func (p fixture) verified(t *testing.T, column string) func() []string {
	t.Helper()
	return func() []string {
		at := slices.IndexFunc(sealed.Columns(), func(c reseal.Column) bool { return c.Name == column })
		list, err := reseal.Count(t.Context(), p.Host.DB, p.Host.Keys, sealed.Columns()[at:at+1], nil)
		check.Must(t, err)
		if slices.ContainsFunc(list, func(u reseal.Use) bool { return u.Damaged > 0 || u.Key == "" }) {
			return []string{"damaged"}
		}
		return []string{""}
	}
}
