package identity

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A keyring holds the keys of tokens, in a directory as Keystone has it: one
// file for each key, named by its number, 0600. The highest number is the
// primary key, which makes tokens; the others open those of before; 0 is
// staged, it becomes the next primary key, so that every controller knows it
// beforehand.
type keyring struct {
	dir string

	mu    sync.RWMutex // guards what follows
	keys  []fernetKey  // the primary key first
	since time.Time    // when the primary key became that
}

const (
	// rotateEvery is how long a key is primary.
	rotateEvery = 24 * time.Hour
	// maxKeys is (tokenLifetime + expiredWindow)/rotateEvery + 2, rounded up.
	maxKeys = 4
)

// openKeyring reads the keys, and makes the first ones.
func openKeyring(dir string) (*keyring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &keyring{dir: dir}
	numbers, err := r.numbers()
	if err != nil {
		return nil, err
	}
	for n := range 2 { // 0 is staged, 1 is primary
		if len(numbers) < 2 && !slices.Contains(numbers, n) {
			if err := r.write(n, newFernetKey()); err != nil {
				return nil, err
			}
		}
	}
	return r, r.read()
}

// numbers lists the keys' numbers in order.
func (r *keyring) numbers() ([]int, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	var list []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n >= 0 {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, nil
}

func (r *keyring) file(n int) string { return filepath.Join(r.dir, strconv.Itoa(n)) }

// write puts a key into its file, whole or not at all.
func (r *keyring) write(n int, k fernetKey) error {
	return writeSecret(r.file(n), base64.URLEncoding.EncodeToString(k[:])+"\n")
}

// read takes all keys into memory.
func (r *keyring) read() error {
	numbers, err := r.numbers()
	if err != nil {
		return err
	}
	var keys []fernetKey
	for _, n := range slices.Backward(numbers) {
		text, err := os.ReadFile(r.file(n))
		if err != nil {
			return err
		}
		b, err := base64.URLEncoding.DecodeString(strings.TrimSpace(string(text)))
		if err != nil || len(b) != len(fernetKey{}) {
			return fmt.Errorf("token key %s: want 32 bytes in base64", r.file(n))
		}
		keys = append(keys, fernetKey(b))
	}
	info, err := os.Stat(r.file(numbers[len(numbers)-1]))
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.since = keys, info.ModTime()
	return nil
}

// rotateIfDue makes the staged key primary when the primary one is old.
func (r *keyring) rotateIfDue(now time.Time) error {
	r.mu.RLock()
	due := now.Sub(r.since) >= rotateEvery
	r.mu.RUnlock()
	if !due {
		return nil
	}
	return r.rotate()
}

// rotate makes the staged key primary, stages a new one and forgets the
// oldest. A crash in between leaves a ring that opens all tokens.
func (r *keyring) rotate() error {
	numbers, err := r.numbers()
	if err != nil {
		return err
	}
	next := numbers[len(numbers)-1] + 1
	staged, err := os.ReadFile(r.file(0))
	if err != nil {
		return err
	}
	if err := writeSecret(r.file(next), string(staged)); err != nil {
		return err
	}
	if err := r.write(0, newFernetKey()); err != nil {
		return err
	}
	for _, n := range numbers[1 : 1+max(0, len(numbers)+1-maxKeys)] {
		if err := os.Remove(r.file(n)); err != nil {
			return err
		}
	}
	return r.read()
}

// seal makes a token with the primary key.
func (r *keyring) seal(message []byte, now time.Time) (string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys[0].seal(message, now)
}

// maxToken is the length above which a text cannot be a token of ours: it has
// room for mostGroups with ids of 64 hex digits. Without groups tokens have
// less than 256 characters.
const maxToken = 5000

// open gives the message of a token that one of the keys made.
func (r *keyring) open(token string) ([]byte, error) {
	if len(token) > maxToken {
		return nil, errToken
	}
	raw, err := fernetEncoding.DecodeString(token)
	if err != nil {
		return nil, errToken
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i := range r.keys {
		if message, err := r.keys[i].open(raw); err == nil {
			return message, nil
		}
	}
	return nil, errToken
}

// writeSecret writes a file that only its owner can read, whole or not at all.
func writeSecret(path, text string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error says more
		}
	}()
	_, werr := f.WriteString(text)
	serr := f.Sync()
	cerr := f.Close()
	for _, e := range []error{werr, serr, cerr} {
		if e != nil {
			return e
		}
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	serr := d.Sync()
	if err := d.Close(); err != nil {
		return err
	}
	return serr
}
