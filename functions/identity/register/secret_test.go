package register_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	identityregister "github.com/tidebank/tidebank/functions/identity/register"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
)

// chance is what might hold any six digits by chance: ids and times.
var chance = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}|\d{4}-\d\d-\d\dT[0-9:.]+`)

// stored is everything in the database's texts, bytes and documents.
func (w town) stored(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	rows, err := w.Host.DB.Pool().Query(ctx, `
SELECT format('SELECT %L || convert_from(decode(replace(encode(%s, ''hex''), ''00'', ''''), ''hex''), ''LATIN1'') FROM %I',
              table_name || '.' || column_name || '=',
              CASE data_type WHEN 'bytea' THEN quote_ident(column_name)
                             ELSE 'convert_to(' || quote_ident(column_name) || '::text, ''UTF8'')' END, table_name)
  FROM information_schema.columns
 WHERE table_schema = 'public' AND data_type IN ('text', 'bytea', 'jsonb', 'ARRAY')`)
	if err != nil {
		t.Fatal(err)
	}
	queries, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, sql := range queries {
		rows, err := w.Host.DB.Pool().Query(ctx, sql)
		if err != nil {
			t.Fatal(err)
		}
		values, err := pgx.CollectRows(rows, pgx.RowTo[*string])
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		for _, v := range values {
			if v != nil {
				all.WriteString(bytesOf(*v) + "\n")
			}
		}
	}
	return all.String()
}

// bytesOf undoes LATIN1: each rune is one byte again, so that Chinese is found.
func bytesOf(text string) string {
	raw := make([]byte, 0, len(text))
	for _, r := range text {
		raw = append(raw, byte(r))
	}
	return string(raw)
}

// cached is everything in Redis.
func (w town) cached(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, key := range w.Redis.Keys() {
		switch w.Redis.Type(key) {
		case "string":
			value, err := w.Redis.Get(key)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&all, key, value)
		case "hash":
			fields, err := w.Redis.HKeys(key)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range fields {
				fmt.Fprintln(&all, key, f, w.Redis.HGet(key, f))
			}
		default:
			t.Fatalf("%s is a %s, which this test does not read", key, w.Redis.Type(key))
		}
	}
	return all.String()
}

// A customer signs up and logs in, well and badly; then everything that the bank
// keeps, and all that went over the wire, is searched.
func TestNothingPersonalRestsInClear(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	var wire, replies strings.Builder
	call := func(f fn.Function, key string, request any, want string) {
		t.Helper()
		frame := w.phone.Frame(t, f, key, request)
		reply := w.phone.Send(t, f, frame)
		reply.Want(t, want)
		wire.Write(frame)
		replies.Write(reply.Body)
	}
	code := w.ask(t)
	wrong := w.right(t, code)
	wrong.Name = "王大明"
	call(identityregister.Function, "one", wrong, "REGISTRATION_REFUSED")
	weak := w.right(t, code)
	weak.LoginPassword = w.phone.Password(t, w.wang.Phone+"x")
	call(identityregister.Function, "two", weak, "PASSWORD_WEAK")
	call(identityregister.Function, "three", w.right(t, code), "")
	try := identitylogin.Request{
		Phone: w.wang.Phone, Password: w.phone.Password(t, bank.LoginPassword),
		OTP: otptest.Ask(t, w.Bank, w.phone, otp.Login, w.wang.Phone),
	}
	bad := try
	bad.Password = w.phone.Password(t, "not-it-2026")
	call(identitylogin.Function, "", bad, "LOGIN_FAILED")
	call(identitylogin.Function, "", try, "")
	call(identityme.Function, "", struct{}{}, "")
	w.Advance(time.Second)

	places := map[string]string{
		"database": w.stored(t), "cache": w.cached(t), "log": w.Log.String(), "replies": replies.String(),
		"wire": wire.String(),
	}
	// The search is only worth something if it finds what is there.
	for place, known := range map[string]string{
		"database": "622848*********0001", "cache": w.phone.ID, "log": "REGISTRATION_REFUSED", "replies": "registered",
	} {
		if !strings.Contains(places[place], known) {
			t.Errorf("the search of the %s does not find %q", place, known)
		}
	}
	if !strings.Contains(places["replies"], "**明") || !strings.Contains(bytesOf("\u00e7\u008e\u008b"), "王") {
		t.Error("the search would not find Chinese")
	}
	for place, text := range places {
		text = chance.ReplaceAllString(text, "")
		for name, secret := range map[string]string{
			"name": w.wang.Name, "phone": w.wang.Phone, "identity number": w.wang.IDNo, "card": w.wang.Accounts[0].No,
			"login password": bank.LoginPassword, "trade password": bank.TradePassword, "card password": bank.CardPassword,
			"wrong password": "not-it-2026", "code to sign up": code, "code to log in": try.OTP,
		} {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("the %s shows the %s: …%q…", place, name, text[max(0, at-60):min(len(text), at+60)])
			}
		}
	}
}
