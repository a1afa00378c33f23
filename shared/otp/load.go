package otp

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
)

// Load reads a subject's challenge. found is false if there is no challenge.
func Load(ctx context.Context, db pg.Reader, subject string) (issued Issued, found bool, err error) {
	err = issued.Scan(db.QueryRow(ctx, LoadSQL, subject))
	if errors.Is(err, pgx.ErrNoRows) {
		return Issued{}, false, nil
	}
	if err != nil {
		return Issued{}, false, err
	}
	return issued, true, nil
}
