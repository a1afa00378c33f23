package bankerr_test

import (
	"errors"
	"testing"

	"github.com/tidebank/tidebank/shared/bankerr"
)

func TestClassesOfOutcomes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want bankerr.Class
	}{
		{nil, bankerr.ClassOK},
		{bankerr.ErrInternal, bankerr.ClassFailed},
		{bankerr.ErrUnavailable, bankerr.ClassFailed},
		{errors.New("not a refusal"), bankerr.ClassFailed},
		{bankerr.ErrLeft.Because(errors.New("context canceled")), bankerr.ClassLeft},
		{bankerr.ErrInput, bankerr.ClassRefused},
		{bankerr.ErrNotFound, bankerr.ClassRefused},
		{bankerr.New(bankerr.TooMany, "RATE_LIMITED"), bankerr.ClassLimited},
		{bankerr.New(bankerr.Refused, "LIMIT_EXCEEDED"), bankerr.ClassLimited},
		{bankerr.New(bankerr.Refused, "PROOF_REJECTED"), bankerr.ClassProof},
		{bankerr.New(bankerr.Unauthenticated, "LOGIN_FAILED"), bankerr.ClassProof},
		{bankerr.New(bankerr.Unauthenticated, "SESSION_REQUIRED"), bankerr.ClassRefused},
	} {
		if got := bankerr.ClassOf(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}
