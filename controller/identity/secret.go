package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// secrets keep what identity must know of others' secrets: hashed, where it
// only compares, else sealed. Both keys come from one file of 32 random bytes
// in base64, 0600, which every controller of a database must have.
type secrets struct {
	mac  []byte
	aead cipher.AEAD
}

// openSecrets reads the key, and makes it if there is none.
func openSecrets(path string) (*secrets, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSecretKey(path); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%s has %d bytes; allowed: 32 in base64", path, len(key))
	}
	s := &secrets{}
	if s.mac, err = hkdf.Key(sha256.New, key, nil, "identity: hashes of secrets", 32); err != nil {
		return nil, err
	}
	sealing, err := hkdf.Key(sha256.New, key, nil, "identity: sealed secrets", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, err
	}
	s.aead, err = cipher.NewGCMWithRandomNonce(block)
	return s, err
}

// makeSecretKey writes a new key unless somebody else has just done so.
func makeSecretKey(path string) error {
	own := path + ".new-" + newPassword()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	if err := writeSecret(own, base64.StdEncoding.EncodeToString(key)+"\n"); err != nil {
		return err
	}
	err := os.Link(own, path)
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return errors.Join(err, os.Remove(own))
}

// newSecret makes a secret of 512 random bits. It does not begin as an option
// of a command line does.
func newSecret() string {
	b := make([]byte, 64)
	for {
		_, _ = rand.Read(b) // never fails (crypto/rand)
		if text := base64.RawURLEncoding.EncodeToString(b); text[0] != '-' {
			return text
		}
	}
}

// hashMark begins a hash of hash, as against one of bcrypt.
const hashMark = "h1$"

// hash is what is kept of a random secret: one fast round, for nobody guesses
// 512 bits.
func (s *secrets) hash(secret string) string {
	mac := hmac.New(sha256.New, s.mac)
	mac.Write([]byte(secret))
	return hashMark + hex.EncodeToString(mac.Sum(nil))
}

// matches tells whether a hash of hash is of the secret.
func (s *secrets) matches(hash, secret string) bool {
	return hmac.Equal([]byte(hash), []byte(s.hash(secret)))
}

// seal encrypts a text that belongs to the row with the id only.
func (s *secrets) seal(text, id string) string {
	return base64.StdEncoding.EncodeToString(s.aead.Seal(nil, nil, []byte(text), []byte(id)))
}

// open is what was sealed.
func (s *secrets) open(sealed, id string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("sealed secret of %s: %w", id, err)
	}
	text, err := s.aead.Open(nil, nil, b, []byte(id))
	if err != nil {
		return "", fmt.Errorf("sealed secret of %s: the key is another one, or the row was changed: %w", id, err)
	}
	return string(text), nil
}
