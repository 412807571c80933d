package fleet

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A claim is what a ticket says: which boot of which machine, and until when.
type claim struct {
	MAC     string // the machine's record
	Nonce   string // of the boot
	Expires time.Time
}

// keeper signs tickets and checks them. Only this deployer ever checks its
// tickets, so a shared key (HMAC-SHA256) does.
type keeper struct{ key []byte }

// openKeeper reads the key in dir, or makes one (0600) the first time.
func openKeeper(dir string) (keeper, error) {
	path := filepath.Join(dir, "ticket.key")
	key, err := os.ReadFile(path)
	if err == nil && len(key) != 32 {
		return keeper{}, fmt.Errorf("ticket key %s has %d bytes; allowed: 32", path, len(key))
	}
	if err == nil {
		return keeper{key: key}, nil
	}
	if !os.IsNotExist(err) {
		return keeper{}, fmt.Errorf("ticket key: %w", err)
	}
	key = make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return keeper{}, fmt.Errorf("ticket key: %w", err)
	}
	if err := os.WriteFile(path, key, 0o600); err != nil {
		return keeper{}, fmt.Errorf("ticket key: %w", err)
	}
	return keeper{key: key}, nil
}

func newNonce() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("ticket: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// seal writes a ticket: four fields and the MAC over them, joined by dots,
// all of them safe on a kernel line.
func (k keeper) seal(c claim) string {
	body := fmt.Sprintf("1.%s.%d.%s", strings.ReplaceAll(c.MAC, ":", ""), c.Expires.Unix(), c.Nonce)
	return body + "." + k.sum(body)
}

func (k keeper) sum(body string) string {
	h := hmac.New(sha256.New, k.key)
	h.Write([]byte("cairn boot ticket\n" + body))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// open checks signature, form and time of a ticket.
func (k keeper) open(ticket string, now time.Time) (claim, error) {
	body, sum, _ := cutLast(ticket)
	if !hmac.Equal([]byte(k.sum(body)), []byte(sum)) {
		return claim{}, fmt.Errorf("%w: this deployer did not sign it", ErrTicket)
	}
	f := strings.Split(body, ".")
	if len(f) != 4 || f[0] != "1" || len(f[1]) != 12 {
		return claim{}, fmt.Errorf("%w: unknown form", ErrTicket)
	}
	seconds, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil {
		return claim{}, fmt.Errorf("%w: unknown form", ErrTicket)
	}
	var mac []string
	for i := 0; i < 12; i += 2 {
		mac = append(mac, f[1][i:i+2])
	}
	c := claim{MAC: strings.Join(mac, ":"), Nonce: f[3], Expires: time.Unix(seconds, 0)}
	if now.After(c.Expires) {
		return claim{}, fmt.Errorf("%w: it ended at %s; boot the machine from the network again", ErrTicket, c.Expires.UTC().Format(time.RFC3339))
	}
	return c, nil
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
