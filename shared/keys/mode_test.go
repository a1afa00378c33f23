package keys

import (
	"io/fs"
	"syscall"
	"testing"
	"time"
)

// owned is a file's mode and owner.
type owned struct {
	mode  fs.FileMode
	owner uint32
}

func (o owned) Name() string       { return "keys.json" }
func (o owned) Size() int64        { return 0 }
func (o owned) Mode() fs.FileMode  { return o.mode }
func (o owned) ModTime() time.Time { return time.Time{} }
func (o owned) IsDir() bool        { return false }
func (o owned) Sys() any           { return &syscall.Stat_t{Uid: o.owner} }

// A group may read the keys only if root has chosen it. Nobody else may.
func TestWhoMayReadTheFile(t *testing.T) {
	t.Parallel()
	const root, me, other = 0, 1000, 1001
	for _, tt := range []struct {
		file    owned
		me      uint32
		allowed bool
		mounted bool // allowed if the platform has mounted the file
	}{
		{owned{0o600, me}, me, true, true},
		{owned{0o400, me}, me, true, true},
		{owned{0o440, root}, me, true, true},
		{owned{0o640, root}, me, true, true},
		{owned{0o600, root}, root, true, true},
		{owned{0o440, me}, me, false, false},
		{owned{0o640, me}, me, false, false},
		{owned{0o440, other}, me, false, false},
		{owned{0o660, root}, me, false, false},
		{owned{0o450, root}, me, false, false},
		{owned{0o444, root}, me, false, true},
		{owned{0o644, root}, me, false, true},
		{owned{0o644, root}, root, false, false},
		{owned{0o644, me}, me, false, false},
		{owned{0o644, other}, me, false, false},
		{owned{0o646, root}, me, false, false},
		{owned{0o664, root}, me, false, false},
		{owned{0o641, root}, me, false, false},
		{owned{0o642, root}, me, false, false},
		{owned{0o440, root}, root, false, false},
	} {
		for mounted, allowed := range map[bool]bool{false: tt.allowed, true: tt.mounted} {
			if err := refuseMode("keys.json", tt.file, tt.me, mounted); (err == nil) != allowed {
				t.Errorf("mode %v of user %d, read by user %d, mounted %v: %v", tt.file.mode, tt.file.owner, tt.me, mounted, err)
			}
		}
	}
}
