package channel_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

func TestVersionsOfApps(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"0.0.0": true, "3.2.0": true, "99999.99999.99999": true, "10.0.1": true,
		"": false, "3": false, "3.2": false, "3.2.0.1": false, "3.2.x": false, "3.2.-1": false, "3.02.0": false, "+3.2.0": false,
		"100000.0.0": false, " 3.2.0": false, "3.2.0-beta": false, "３.2.0": false, "3..0": false,
	} {
		if got := (channel.App{Platform: "ios", Version: text}).Valid(); got != want {
			t.Errorf("%q is valid: %v", text, got)
		}
	}
}

// An app below its platform's minimum is refused. Each part of a version is a number.
func TestMinimum(t *testing.T) {
	t.Parallel()
	lowest, err := channel.ParseMinimum("ios=3.2.10, android=10.0.0")
	check.Must(t, err)
	for _, tt := range []struct {
		platform, version string
		want              bool
	}{
		{"ios", "3.2.10", false}, {"ios", "3.2.9", true}, {"ios", "3.2.11", false}, {"ios", "3.1.99", true}, {"ios", "3.3.0", false},
		{"ios", "2.99.99", true}, {"ios", "4.0.0", false}, {"android", "9.99.99", true}, {"android", "10.0.0", false},
		{"harmonyos", "0.0.1", false}, {"h5", "0.0.0", false},
	} {
		if got := lowest.Refuses(&channel.App{Platform: tt.platform, Version: tt.version}); got != tt.want {
			t.Errorf("%s %s is refused: %v", tt.platform, tt.version, got)
		}
	}
	if lowest.Refuses(nil) {
		t.Error("an app that does not name itself is refused")
	}
	none, err := channel.ParseMinimum("")
	if err != nil || none.Refuses(&channel.App{Platform: "ios", Version: "0.0.0"}) {
		t.Errorf("without a minimum an app is refused, %v", err)
	}
	for _, text := range []string{
		"ios", "ios=", "ios=3.2", "ios=3.2.0,", ",ios=3.2.0", "windows=1.0.0", "IOS=1.0.0", "ios=1.0.0,ios=2.0.0", "ios:1.0.0", " ",
	} {
		if _, err := channel.ParseMinimum(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// The optional fields of a hello stand in the transcript as docs/protocol.md says.
func TestOptionalFieldsInTheTranscript(t *testing.T) {
	t.Parallel()
	one, two := keytest.PrivateKey(t).Public(), keytest.PrivateKey(t).Public()
	pinOne, err := channel.Pin(one)
	check.Must(t, err)
	pinTwo, err := channel.Pin(two)
	check.Must(t, err)
	server := newServer(t)
	for _, tt := range []struct {
		named bool // the app names itself
		pins  bool
		want  [][]byte // the parts behind the nine
	}{
		{false, false, nil},
		{false, true, [][]byte{slices.Concat(pinOne, pinTwo), {}}},
		{true, false, [][]byte{{}, []byte("ios 3.2.0")}},
		{true, true, [][]byte{slices.Concat(pinOne, pinTwo), []byte("ios 3.2.0")}},
	} {
		client, err := channel.NewClient("device-1")
		if tt.pins {
			client, err = channel.NewClient("device-1", one, two)
		}
		check.Must(t, err)
		if tt.named {
			client.SetApp(channel.App{Platform: "ios", Version: "3.2.0"})
		}
		hello := client.Hello()
		w, _, _, err := server.Respond(hello)
		check.Must(t, err)
		var want []byte
		for _, part := range append([][]byte{
			[]byte("tidebank channel v1"), hello.ClientKey, hello.ClientRandom, []byte(hello.DeviceID),
			w.ChannelID, w.ServerKey, w.ServerRandom, w.Certificate, w.PasswordKey,
		}, tt.want...) {
			want = append(binary.BigEndian.AppendUint32(want, uint32(len(part))), part...)
		}
		equal(t, "transcript", channel.Transcript(hello, w), want)
		if _, _, err := client.Finish(w, one, server.key.Public()); err != nil {
			t.Errorf("named %v, pins %v: %v", tt.named, tt.pins, err)
		}
	}
}

// A minimum that is taken refuses the versions below it, and no others.
func FuzzParseMinimum(f *testing.F) {
	for _, text := range []string{"", "ios=3.2.0", "ios=3.2.0,android=10.0.0", "h5=0.0.0", "harmonyos=1.2.3, ios=99999.0.0", "ios=,"} {
		f.Add(text, "3.2.0")
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		lowest, err := channel.ParseMinimum(text)
		app := channel.App{Platform: "ios", Version: version}
		if err != nil && lowest.Refuses(&app) {
			t.Errorf("%q was refused, and refuses %q", text, version)
		}
		if !app.Valid() {
			return
		}
		if own, err := channel.ParseMinimum("ios=" + version); err != nil || own.Refuses(&app) {
			t.Errorf("the minimum %q refuses itself, %v", version, err)
		}
	})
}
