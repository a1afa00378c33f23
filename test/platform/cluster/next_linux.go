package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// edit replaces a text in a file of the source. The file becomes another one if to is set.
type edit struct{ file, to, old, new string }

const (
	functionFiles = "infra/migrations/functions/"
	nextColumn    = "next_release"
)

// nextEdits make the source of the next release from this one, as CONTRIBUTING.md asks for
// it: a new migration; a SQL function whose body needs the new column, and so a right that
// the earlier release's roles lack; one that takes the place of another.
func nextEdits() []edit {
	return []edit{
		{
			"infra/migrations/0059_device_proved.sql", "infra/migrations/9000_next.sql",
			"TABLE device ADD COLUMN proved", "TABLE credential ADD COLUMN next_release",
		},
		{"shared/otp/challenge.go", "", `Call: "otp_use"`, `Call: "otp_spend"`},
		{functionFiles + "otp_use.sql", functionFiles + "otp_spend.sql", "FUNCTION otp_use(", "FUNCTION otp_spend("},
		{"infra/roles/roles.sql", "", "FUNCTION otp_use TO", "FUNCTION otp_spend TO"},
		{functionFiles + "login_record.sql", "", "last_login_place = p_place", "last_login_place = p_place, " + nextColumn + " = true"},
		{"infra/roles/roles.sql", "", "UPDATE (last_login_at, ", "UPDATE (" + nextColumn + ", last_login_at, "},
		{"infra/migrations/functions.txt", "", "", "9"}, // a greater revision
	}
}

// nextRelease writes the source of the next release beside the images.
func nextRelease(ctx context.Context, p paths) error {
	from, into := p.repository(), p.next()
	if err := os.RemoveAll(into); err != nil {
		return err
	}
	list, err := exec.CommandContext(ctx, "git", "-C", from, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".",
		":!docs", ":!test").Output()
	if err != nil {
		return fmt.Errorf("the files of the source: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue // removed, and not committed
		}
		if err == nil {
			err = write(filepath.Join(into, name), text)
		}
		if err != nil {
			return err
		}
	}
	for _, e := range nextEdits() {
		if err := e.apply(into); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

func (e edit) apply(folder string) error {
	text, err := os.ReadFile(filepath.Join(folder, e.file))
	if err != nil {
		return err
	}
	changed := e.new + string(text)
	if e.old != "" {
		changed = strings.ReplaceAll(string(text), e.old, e.new)
	}
	if changed == string(text) {
		return fmt.Errorf("the next release: %s has no %q", e.file, e.old)
	}
	to := e.to
	if to == "" {
		to = e.file
	}
	return write(filepath.Join(folder, to), []byte(changed))
}

// sqlRelease tells what of two releases the database holds.
const sqlRelease = `-- pg_catalog.release
SELECT EXISTS (SELECT FROM information_schema.columns WHERE table_name = 'credential' AND column_name = $1),
       (SELECT count(*) FROM pg_proc WHERE proname = 'login_record' AND position($1 IN prosrc) > 0),
       (SELECT string_agg(proname || ' ' || has_function_privilege('tidebank_identity_login', oid, 'EXECUTE'), ', ' ORDER BY proname)
          FROM pg_proc WHERE proname IN ('otp_use', 'otp_spend'))`

// holds compares the database with a release that was deployed after the next one was: the
// schema and the SQL functions stay the next one's. The rights of the next release go with
// its own functions only.
func (l *lab) holds(ctx context.Context, rights string) error {
	var migrated bool
	var bodies int
	var got string
	if err := l.db.QueryRow(ctx, sqlRelease, nextColumn).Scan(&migrated, &bodies, &got); err != nil {
		return err
	}
	if !migrated || bodies != 1 || got != rights {
		return fmt.Errorf("next schema %v, next bodies %d, rights of identity-login %s; want true, 1, %s", migrated, bodies, got, rights)
	}
	return nil
}
