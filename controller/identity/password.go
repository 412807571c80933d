package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// bcryptCost is bcrypt's default; about 50 ms of a core.
const bcryptCost = bcrypt.DefaultCost

// digest makes any password 44 characters: bcrypt reads 72 bytes only, and
// stops at a zero.
func digest(password string) []byte {
	sum := sha256.Sum256([]byte(password))
	return []byte(base64.StdEncoding.EncodeToString(sum[:]))
}

// hashPassword is what is kept of a password; empty for none, which nothing
// matches.
func (s *Service) hashPassword(ctx context.Context, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	release, err := s.hash(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	hash, err := bcrypt.GenerateFromPassword(digest(password), bcryptCost)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return string(hash), nil
}

// nobodysHash is what the password of a user who does not exist is compared
// with, so that it takes as long. Nobody knows its password.
const nobodysHash = "$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5nIzi9d4q6E8dcCQyrLn0mF7Z3ZQe"

// checkPassword tells whether the password is the user's; u may be nil.
func (s *Service) checkPassword(ctx context.Context, u *User, password string) (bool, error) {
	hash := nobodysHash
	if u != nil && u.PasswordHash != "" {
		hash = u.PasswordHash
	}
	if s.known.has(hash, password) {
		return true, nil
	}
	release, err := s.hash(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	return s.compare(hash, password)
}

// compare tells whether the hash is of the password. It wants a place to hash
// in.
func (s *Service) compare(hash, password string) (bool, error) {
	err := bcrypt.CompareHashAndPassword([]byte(hash), digest(password))
	switch {
	case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("compare a password: %w", err)
	case hash == nobodysHash:
		return false, nil
	}
	s.known.add(hash, password)
	return true, nil
}

// hash waits for a free place to hash in: as many as there are cores, so that
// guessing passwords leaves the rest of the controller alive.
func (s *Service) hash(ctx context.Context) (release func(), err error) {
	select {
	case s.hashing <- struct{}{}:
		return func() { <-s.hashing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A passwordCache remembers for some minutes which passwords were right, by
// an HMAC with a key that lives as long as the process: command-line clients
// log in for every command. It is asked by the kept hash, so a changed
// password is not in it.
type passwordCache struct {
	mu    sync.Mutex // guards what follows
	key   [32]byte
	right map[[32]byte]time.Time // until when
}

const (
	rememberPassword  = 10 * time.Minute
	rememberPasswords = 1000
)

func (p *passwordCache) has(hash, password string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.right[p.sum(hash, password)]
	return ok && time.Now().Before(until)
}

func (p *passwordCache) add(hash, password string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := p.sum(hash, password)
	if len(p.right) >= rememberPasswords {
		clear(p.right)
	}
	p.right[sum] = time.Now().Add(rememberPassword)
}

// sum needs mu.
func (p *passwordCache) sum(hash, password string) [32]byte {
	if p.right == nil {
		_, _ = rand.Read(p.key[:]) // never fails (crypto/rand)
		p.right = map[[32]byte]time.Time{}
	}
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write([]byte(hash))
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	return [32]byte(mac.Sum(nil))
}

// newPassword makes a random password of 26 letters and digits (130 bits).
func newPassword() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b)
	return strings.ToLower(base32.StdEncoding.EncodeToString(b)[:26])
}
