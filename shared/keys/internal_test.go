package keys

import "time"

// RotateNow adds a key that writes from a time on, however soon that is.
func RotateNow(path string, p Purpose, from time.Time) (id uint16, err error) {
	return rotate(path, p, from)
}
