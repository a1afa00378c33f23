package channel_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

var (
	noon   = time.UnixMilli(1795399200123)
	clear  = []byte(`{"idempotency_key":"k","request":{"amount_fen":100}}`)
	header = channel.Header{ID: channel.ID{1, 2, 3}, Sequence: 7, Time: noon}
)

const function = "transfer-confirm"

func newKeys() channel.Keys {
	return channel.Keys{ClientToServer: sm.NewKey(), ServerToClient: sm.NewKey()}
}

// spoilt calls try with the frame changed in each bit, cut at each length, longer
// by a byte, and without each of its bytes.
func spoilt(frame []byte, try func(how string, spoilt []byte)) {
	for i := range frame {
		for bit := range 8 {
			changed := bytes.Clone(frame)
			changed[i] ^= 1 << bit
			try(fmt.Sprintf("byte %d bit %d", i, bit), changed)
		}
		try(fmt.Sprintf("first %d bytes", i), frame[:i])
		try(fmt.Sprintf("without byte %d", i), append(bytes.Clone(frame[:i]), frame[i+1:]...))
	}
	try("longer", append(bytes.Clone(frame), 0))
}

func TestRequestFrame(t *testing.T) {
	t.Parallel()
	keys := newKeys()
	for _, text := range [][]byte{clear, {}, bytes.Repeat([]byte("长"), 1<<20)} {
		frame, err := channel.SealRequest(keys, header, "POST", function, text)
		check.Must(t, err)
		if bytes.Contains(frame, []byte("amount")) {
			t.Error("the frame shows its text")
		}
		got, err := channel.ParseHeader(frame)
		check.Must(t, err)
		if diff := cmp.Diff(header, got); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		opened, err := channel.OpenRequest(keys, frame, "POST", function)
		if err != nil || !bytes.Equal(opened, text) {
			t.Errorf("%d bytes: opened %d, %v", len(text), len(opened), err)
		}
	}
}

func TestRequestFrameIsBound(t *testing.T) {
	t.Parallel()
	keys := newKeys()
	frame, err := channel.SealRequest(keys, header, "POST", function, clear)
	check.Must(t, err)
	refused := func(what string, keys channel.Keys, frame []byte, method, function string) {
		t.Helper()
		if got, err := channel.OpenRequest(keys, frame, method, function); !errors.Is(err, channel.ErrFrame) || got != nil {
			t.Errorf("%s: %q, %v; want nothing and ErrFrame", what, got, err)
		}
	}
	spoilt(frame, func(how string, spoilt []byte) { refused(how, keys, spoilt, "POST", function) })
	refused("another method", keys, frame, "PUT", function)
	refused("no method", keys, frame, "", function)
	refused("another function", keys, frame, "POST", "transfer-get")
	refused("longer function", keys, frame, "POST", function+"s")
	refused("cut moved", keys, frame, "POST/transfer-confir", "m")
	refused("another channel's keys", newKeys(), frame, "POST", function)
	refused("keys changed over", channel.Keys{ClientToServer: keys.ServerToClient, ServerToClient: keys.ClientToServer},
		frame, "POST", function)
	other := header
	other.Sequence++
	next, err := channel.SealRequest(keys, other, "POST", function, clear)
	check.Must(t, err)
	refused("another request's body", keys, append(bytes.Clone(frame[:channel.HeaderSize]), next[channel.HeaderSize:]...), "POST", function)
	reply, err := channel.SealReply(channel.Keys{ServerToClient: keys.ClientToServer}, header, noon, function, 200, clear)
	check.Must(t, err)
	refused("a reply for a request", keys, reply, "POST", function)
}

func TestReplyFrameIsBound(t *testing.T) {
	t.Parallel()
	keys := newKeys()
	frame, err := channel.SealReply(keys, header, noon.Add(time.Second), function, 200, clear)
	check.Must(t, err)
	opened, err := channel.OpenReply(keys, frame, header, function, 200)
	if err != nil || !bytes.Equal(opened, clear) {
		t.Fatalf("opened %q, %v", opened, err)
	}
	refused := func(what string, keys channel.Keys, frame []byte, request channel.Header, function string, status int) {
		t.Helper()
		got, err := channel.OpenReply(keys, frame, request, function, status)
		if !errors.Is(err, channel.ErrFrame) || got != nil {
			t.Errorf("%s: %q, %v; want nothing and ErrFrame", what, got, err)
		}
	}
	spoilt(frame, func(how string, spoilt []byte) { refused(how, keys, spoilt, header, function, 200) })
	elsewhere, later := header, header
	elsewhere.ID[15]++
	later.Sequence++
	refused("for another request", keys, frame, later, function, 200)
	refused("for another channel", keys, frame, elsewhere, function, 200)
	refused("of another function", keys, frame, header, "transfer-get", 200)
	refused("of another status", keys, frame, header, function, 422)
	refused("status cut off", keys, frame, header, function+"2", 0)
	refused("another channel's keys", newKeys(), frame, header, function, 200)
	request, err := channel.SealRequest(channel.Keys{ClientToServer: keys.ServerToClient}, header, "POST", function, clear)
	check.Must(t, err)
	refused("a request for a reply", keys, request, header, function, 200)
}

// A request that is sent twice is answered twice under one sequence: by its
// answer and by FRAME_REPLAYED. Under one nonce the two would give away each
// other's text and the key of the authentication.
func TestRepliesToOneRequestShareNoNonce(t *testing.T) {
	t.Parallel()
	keys, seen := newKeys(), map[string]bool{}
	zeros := make([]byte, 64) // so that the body shows the key stream
	for range 1000 {
		frame, err := channel.SealReply(keys, header, noon, function, 200, zeros)
		check.Must(t, err)
		body := frame[channel.HeaderSize:]
		stream := string(body[sm.NonceSize : sm.NonceSize+len(zeros)])
		if seen[stream] {
			t.Fatal("two replies have the same key stream")
		}
		seen[stream] = true
	}
}

func TestRequestsShareNoNonce(t *testing.T) {
	t.Parallel()
	keys, seen := newKeys(), map[string]uint64{}
	for _, sequence := range []uint64{1, 2, 255, 256, 1 << 31, 1 << 32, 1<<53 - 1, math.MaxUint64} {
		frame, err := channel.SealRequest(keys, channel.Header{Sequence: sequence, Time: noon}, "POST", function, make([]byte, 64))
		check.Must(t, err)
		stream := string(frame[channel.HeaderSize : channel.HeaderSize+64])
		if before, ok := seen[stream]; ok {
			t.Errorf("sequences %d and %d have the same key stream", before, sequence)
		}
		seen[stream] = sequence
	}
}

func TestParseHeader(t *testing.T) {
	t.Parallel()
	frame, err := channel.SealRequest(newKeys(), header, "POST", function, nil)
	check.Must(t, err)
	for name, tt := range map[string]struct {
		frame []byte
		err   error
	}{
		"good":            {frame, nil},
		"nothing":         {nil, channel.ErrFrame},
		"one byte short":  {frame[:len(frame)-1], channel.ErrFrame},
		"version 0":       {append([]byte{0}, frame[1:]...), channel.ErrFrame},
		"version 2":       {append([]byte{2}, frame[1:]...), channel.ErrFrame},
		"JSON":            {clear, channel.ErrFrame},
		"latest time":     {withTime(frame, 1<<47), nil},
		"time beyond it":  {withTime(frame, 1<<47+1), channel.ErrFrame},
		"time before all": {withTime(frame, math.MaxUint64), channel.ErrFrame},
	} {
		if _, err := channel.ParseHeader(tt.frame); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", name, err, tt.err)
		}
	}
}

func withTime(frame []byte, millis uint64) []byte {
	changed := bytes.Clone(frame)
	for i := range 8 {
		changed[25+i] = byte(millis >> (56 - 8*i))
	}
	return changed
}

// No bytes open that were not sealed.
func FuzzFrame(f *testing.F) {
	keys := channel.Keys{ClientToServer: sm.Key{1}, ServerToClient: sm.Key{2}}
	request, err := channel.SealRequest(keys, header, "POST", function, clear)
	check.Must(f, err)
	reply, err := channel.SealReply(keys, header, noon, function, 200, clear)
	check.Must(f, err)
	f.Add(request)
	f.Add(reply)
	f.Add(request[:channel.HeaderSize+sm.Overhead])
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, err := channel.ParseHeader(frame)
		if err == nil && (len(frame) < channel.HeaderSize+sm.Overhead || h.Time.UnixMilli() < 0) {
			t.Errorf("%x parses as %+v", frame, h)
		}
		if opened, err := channel.OpenRequest(keys, frame, "POST", function); err == nil && !bytes.Equal(frame, request) {
			t.Errorf("request %x opens as %q", frame, opened)
		}
		// The reply's nonce is random, and each fuzzing process has its own: its text is not.
		opened, err := channel.OpenReply(keys, frame, header, function, 200)
		if err == nil && !bytes.Equal(opened, clear) {
			t.Errorf("reply %x opens as %q", frame, opened)
		}
	})
}
