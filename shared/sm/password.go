package sm

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/emmansun/gmsm/sm3"
)

const (
	passwordScheme = "pbkdf2-sm3"
	// passwordMaxRounds bounds the work that a stored text can ask for.
	passwordMaxRounds = 1_000_000
)

// HashPassword returns the text to store for a password. The text holds the
// algorithm, the rounds and a random salt.
func HashPassword(password []byte, rounds int) (string, error) {
	if shut.Load() {
		return "", ErrModule
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	sum, err := pbkdf2.Key(sm3.New, string(password), salt, rounds, sm3.Size)
	if err != nil {
		return "", fmt.Errorf("sm: hash password: %w", err)
	}
	encode := base64.RawStdEncoding.EncodeToString
	return strings.Join([]string{passwordScheme, strconv.Itoa(rounds), encode(salt), encode(sum)}, "$"), nil
}

// CheckPassword refuses a password that differs from the stored password. It compares
// in constant time. It computes at least so many rounds as asked for, whatever is
// stored: for a text with fewer rounds, and for a text that is none. It returns the
// number of rounds that it has computed.
func CheckPassword(stored string, password []byte, rounds int) (computed int, err error) {
	if shut.Load() {
		return 0, ErrModule
	}
	s, ok := parsePassword(stored)
	if ok {
		var got []byte
		got, err = pbkdf2.Key(sm3.New, string(password), s.salt, s.rounds, sm3.Size)
		ok = err == nil && subtle.ConstantTimeCompare(got, s.sum) == 1
		computed = s.rounds
	}
	if rest := rounds - computed; rest > 0 {
		if _, err := pbkdf2.Key(sm3.New, string(password), make([]byte, 16), rest, sm3.Size); err != nil {
			return computed, fmt.Errorf("sm: check password: %w", err)
		}
		computed += rest
	}
	if !ok {
		return computed, ErrPassword
	}
	return computed, nil
}

// PasswordRounds returns the rounds of a stored password, or 0 if the text is none.
func PasswordRounds(stored string) int {
	s, _ := parsePassword(stored)
	return s.rounds
}

// storedPassword is a stored text, taken apart.
type storedPassword struct {
	rounds    int
	salt, sum []byte
}

func parsePassword(stored string) (s storedPassword, ok bool) {
	parts := strings.Split(stored, "$")
	if len(parts) != 4 || parts[0] != passwordScheme {
		return storedPassword{}, false
	}
	var err error
	if s.rounds, err = strconv.Atoi(parts[1]); err != nil || s.rounds < 1 || s.rounds > passwordMaxRounds {
		return storedPassword{}, false
	}
	if s.salt, err = base64.RawStdEncoding.DecodeString(parts[2]); err != nil {
		return storedPassword{}, false
	}
	if s.sum, err = base64.RawStdEncoding.DecodeString(parts[3]); err != nil || len(s.sum) != sm3.Size {
		return storedPassword{}, false
	}
	return s, true
}
