package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A fernetKey is 16 bytes that sign and 16 bytes that encrypt. The format is
// Fernet's (github.com/fernet/spec): version 0x80, time, IV, AES-128-CBC with
// PKCS#7, HMAC-SHA256; base64 for URLs, without padding as Keystone has it.
// Unlike common implementations this one takes a token in its one exact
// spelling only.
type fernetKey [32]byte

const (
	fernetVersion = 0x80
	fernetHeader  = 1 + 8 + aes.BlockSize
)

var errToken = errors.New("not a token of ours")

// fernetEncoding is strict: no bits may hang over the end.
var fernetEncoding = base64.RawURLEncoding.Strict()

// newFernetKey makes a random key.
func newFernetKey() fernetKey {
	var k fernetKey
	_, _ = rand.Read(k[:]) // never fails (crypto/rand)
	return k
}

// seal makes a token of a message.
func (k *fernetKey) seal(message []byte, now time.Time) (string, error) {
	pad := aes.BlockSize - len(message)%aes.BlockSize
	b := make([]byte, fernetHeader, fernetHeader+len(message)+pad+sha256.Size)
	b[0] = fernetVersion
	binary.BigEndian.PutUint64(b[1:], uint64(now.Unix())) // after 1970
	_, _ = rand.Read(b[9:fernetHeader])
	b = append(b, message...)
	for range pad {
		b = append(b, byte(pad))
	}
	block, err := aes.NewCipher(k[16:])
	if err != nil {
		return "", fmt.Errorf("token key: %w", err)
	}
	cipher.NewCBCEncrypter(block, b[9:fernetHeader]).CryptBlocks(b[fernetHeader:], b[fernetHeader:])
	return fernetEncoding.EncodeToString(append(b, k.sum(b)...)), nil
}

// open gives the message of a token.
func (k *fernetKey) open(raw []byte) (message []byte, err error) {
	if len(raw) < fernetHeader+aes.BlockSize+sha256.Size || raw[0] != fernetVersion {
		return nil, errToken
	}
	body, sum := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if !hmac.Equal(k.sum(body), sum) || (len(body)-fernetHeader)%aes.BlockSize != 0 {
		return nil, errToken
	}
	block, err := aes.NewCipher(k[16:])
	if err != nil {
		return nil, fmt.Errorf("token key: %w", err)
	}
	message = make([]byte, len(body)-fernetHeader)
	cipher.NewCBCDecrypter(block, body[9:fernetHeader]).CryptBlocks(message, body[fernetHeader:])
	pad := int(message[len(message)-1])
	if pad < 1 || pad > aes.BlockSize || subtle.ConstantTimeCompare(message[len(message)-pad:], bytesOf(byte(pad), pad)) != 1 {
		return nil, errToken
	}
	return message[:len(message)-pad], nil
}

func (k *fernetKey) sum(b []byte) []byte {
	mac := hmac.New(sha256.New, k[:16])
	mac.Write(b)
	return mac.Sum(nil)
}

func bytesOf(b byte, n int) []byte {
	list := make([]byte, n)
	for i := range list {
		list[i] = b
	}
	return list
}
