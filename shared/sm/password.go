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

// passwordRounds makes a guess cost about ten milliseconds (PWD-018).
const passwordRounds = 10_000

const passwordScheme = "pbkdf2-sm3"

// HashPassword returns the text to store for a password. The text holds the
// algorithm, the rounds and a random salt.
func HashPassword(password []byte) (string, error) {
	if shut.Load() {
		return "", ErrModule
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	sum, err := pbkdf2.Key(sm3.New, string(password), salt, passwordRounds, sm3.Size)
	if err != nil {
		return "", fmt.Errorf("sm: hash password: %w", err)
	}
	encode := base64.RawStdEncoding.EncodeToString
	return strings.Join([]string{passwordScheme, strconv.Itoa(passwordRounds), encode(salt), encode(sum)}, "$"), nil
}

// CheckPassword refuses a password that differs from the stored password. It compares
// in constant time.
func CheckPassword(stored string, password []byte) error {
	if shut.Load() {
		return ErrModule
	}
	parts := strings.Split(stored, "$")
	if len(parts) != 4 || parts[0] != passwordScheme {
		return ErrPassword
	}
	rounds, err := strconv.Atoi(parts[1])
	if err != nil || rounds < 1 || rounds > 10*passwordRounds {
		return ErrPassword
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[2])
	if err != nil {
		return ErrPassword
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[3])
	if err != nil || len(want) != sm3.Size {
		return ErrPassword
	}
	got, err := pbkdf2.Key(sm3.New, string(password), salt, rounds, sm3.Size)
	if err != nil || subtle.ConstantTimeCompare(got, want) != 1 {
		return ErrPassword
	}
	return nil
}
