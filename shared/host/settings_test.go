package host_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
)

// settings has a field of each kind that is checked.
type settings struct {
	Name  string        `envconfig:"TEST_NAME" default:"x"`
	Must  string        `envconfig:"TEST_MUST" required:"true"`
	May   string        `envconfig:"TEST_MAY"`
	Count int           `envconfig:"TEST_COUNT" default:"1"`
	Zero  int64         `envconfig:"TEST_ZERO" default:"0" min:"0" max:"16"`
	Wait  time.Duration `envconfig:"TEST_WAIT" default:"1s"`
	Long  time.Duration `envconfig:"TEST_LONG" default:"1m" min:"1s" max:"15m"`
	Part  part
	Where string `envconfig:"TEST_WHERE" form:"http"`
}

type part struct {
	Deep int32 `envconfig:"TEST_DEEP" default:"8"`
}

func good() settings {
	return settings{Name: "x", Must: "y", Count: 1, Wait: time.Second, Long: time.Minute, Part: part{Deep: 8}}
}

func TestValuesOutOfBoundsAreRefusedByTheirKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		change func(*settings)
		key    string // "": it passes
	}{
		{func(*settings) {}, ""},
		{func(s *settings) { s.May = "" }, ""},
		{func(s *settings) { s.Zero = 16 }, ""},
		{func(s *settings) { s.Long = 15 * time.Minute }, ""},
		{func(s *settings) { s.Wait = time.Millisecond }, ""},
		{func(s *settings) { s.Name = "" }, "TEST_NAME"},
		{func(s *settings) { s.Must = "" }, "TEST_MUST"},
		{func(s *settings) { s.Count = 0 }, "TEST_COUNT"},
		{func(s *settings) { s.Count = -1 }, "TEST_COUNT"},
		{func(s *settings) { s.Count = 1 << 40 }, "TEST_COUNT"},
		{func(s *settings) { s.Zero = -1 }, "TEST_ZERO"},
		{func(s *settings) { s.Zero = 17 }, "TEST_ZERO"},
		{func(s *settings) { s.Wait = 0 }, "TEST_WAIT"},
		{func(s *settings) { s.Wait = -time.Second }, "TEST_WAIT"},
		{func(s *settings) { s.Wait = time.Microsecond }, "TEST_WAIT"},
		{func(s *settings) { s.Long = time.Second - 1 }, "TEST_LONG"},
		{func(s *settings) { s.Long = 15*time.Minute + 1 }, "TEST_LONG"},
		{func(s *settings) { s.Part.Deep = 0 }, "TEST_DEEP"},
		{func(s *settings) { s.Must = " " }, "TEST_MUST"},
		{func(s *settings) { s.Where = "https://user:hunter2@sms.bank.example:8443/v1" }, ""},
		{func(s *settings) { s.Where = "nonsense" }, "TEST_WHERE"},
		{func(s *settings) { s.Where = "http://" }, "TEST_WHERE"},
		{func(s *settings) { s.Where = "ftp://host" }, "TEST_WHERE"},
		{func(s *settings) { s.Where = "http://host:99999/" }, "TEST_WHERE"},
		{func(s *settings) { s.Where = "http://:8080/" }, "TEST_WHERE"},
	} {
		s := good()
		tt.change(&s)
		err := host.Check(&s)
		if (err == nil) != (tt.key == "") || err != nil && (!errors.Is(err, host.ErrSetting) || !strings.Contains(err.Error(), tt.key)) {
			t.Errorf("%+v: %v, want %q", s, err, tt.key)
		}
	}
}

// A value is found by its type, whole or as a part; what has no value is refused.
func TestValuesByType(t *testing.T) {
	t.Parallel()
	var whole settings
	if err := host.Values(good())(&whole); err != nil || whole != good() {
		t.Errorf("%+v, %v", whole, err)
	}
	var holder struct{ P part }
	if err := host.Values(part{Deep: 3})(&holder); err != nil || holder.P.Deep != 3 {
		t.Errorf("%+v, %v", holder, err)
	}
	if err := host.Values(part{Deep: -3})(&holder); !errors.Is(err, host.ErrSetting) {
		t.Errorf("a negative value: %v", err)
	}
	if err := host.Values()(&holder); !errors.Is(err, host.ErrNoValue) {
		t.Errorf("no value: %v", err)
	}
	if err := host.Values()(&struct{}{}); err != nil {
		t.Errorf("nothing to fill: %v", err)
	}
}

// The error names FN_ALLOW_PLAINTEXT only where it helps.
func TestOnlyAPlainConnectionNamesItsRemedy(t *testing.T) {
	t.Setenv("FN_ALLOW_PLAINTEXT", "false")
	for url, helps := range map[string]bool{"x": false, "postgres://u:p@db.bank.example/bank": true} {
		t.Setenv("DATABASE_URL", url)
		var into struct{ DB pg.Config }
		err := host.Environment(&into)
		if !errors.Is(err, host.ErrSetting) || strings.Contains(err.Error(), "FN_ALLOW_PLAINTEXT") != helps {
			t.Errorf("%s: %v", url, err)
		}
	}
}
