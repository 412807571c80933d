package cloud

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// NewID makes a random id in the form that all services but identity use: a
// version 4 UUID with hyphens, lower case.
func NewID() string {
	b := randomUUID()
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// NewHexID makes a random id in the form that identity uses for users,
// projects, roles and domains: a version 4 UUID without hyphens.
func NewHexID() string {
	b := randomUUID()
	return hex.EncodeToString(b[:])
}

// NewRequestID makes the id of one request: "req-" and a UUID.
func NewRequestID() string { return "req-" + NewID() }

// IsID tells whether s has the form of NewID's ids.
func IsID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isHex(s[i]) {
				return false
			}
		}
	}
	return true
}

// IsHexID tells whether s has the form of NewHexID's ids.
func IsHexID(s string) bool {
	if len(s) != 32 {
		return false
	}
	for i := range len(s) {
		if !isHex(s[i]) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func randomUUID() [16]byte {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return b
}
