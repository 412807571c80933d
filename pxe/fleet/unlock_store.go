package fleet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// vaults are the keys of the machines' data, in the deployer's database. They
// are sealed with a key in a file of its own (0600), so that a copy of the
// database alone opens nothing. Whoever has both has the keys: they are as safe
// as the disk that the deployer is on.
type vaults struct {
	db   *bbolt.DB
	aead cipher.AEAD
}

// A vault is what is kept of one machine.
type vault struct {
	Node   string `json:"node"`           // id of the node
	LUKS   string `json:"luks"`           // UUID of its volume
	Digest string `json:"digest"`         // of the request that made it
	Cert   string `json:"cert,omitempty"` // the answer to it
	Locked bool   `json:"locked,omitempty"`
	Sealed []byte `json:"sealed"` // secrets
}

// secrets are sealed.
type secrets struct {
	Key      string `json:"key,omitempty"` // base64; empty: the machine's TPM has it
	Recovery string `json:"recovery"`
}

func bucketVaults() []byte { return []byte("vaults") }

// vaultKeySize is that of AES-256.
const vaultKeySize = 32

// openVaults reads the key in dir, or makes it the first time.
func openVaults(dir string, db *bbolt.DB) (vaults, error) {
	key, err := vaultKey(filepath.Join(dir, "vault.key"))
	if err != nil {
		return vaults{}, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return vaults{}, fmt.Errorf("vault key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return vaults{}, fmt.Errorf("vault key: %w", err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketVaults())
		return err
	})
	if err != nil {
		return vaults{}, fmt.Errorf("keys of machines: %w", err)
	}
	return vaults{db, aead}, nil
}

func vaultKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	switch {
	case err == nil && len(key) != vaultKeySize:
		return nil, fmt.Errorf("vault key %s has %d bytes; allowed: %d", path, len(key), vaultKeySize)
	case err == nil:
		return key, nil
	case !os.IsNotExist(err):
		return nil, fmt.Errorf("vault key: %w", err)
	}
	key = make([]byte, vaultKeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("vault key: %w", err)
	}
	return key, writeKey(path, key)
}

// writeKey is durable when it returns: what is sealed with a key that is lost
// is lost.
func writeKey(path string, key []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("vault key: %w", err)
	}
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("vault key: %w", err)
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("vault key: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("vault key: %w", err)
	}
	return nil
}

// bound is what a seal holds for: secrets of one node do not open as those of
// another one.
func (v *vault) bound() []byte { return []byte("cairn vault\n" + v.Node + "\n" + v.LUKS) }

func (s vaults) seal(v *vault, x secrets) error {
	b, err := json.Marshal(x)
	if err != nil {
		return fmt.Errorf("seal the keys of node %s: %w", v.Node, err)
	}
	v.Sealed = s.aead.Seal(nil, nil, b, v.bound())
	return nil
}

func (s vaults) open(v *vault) (x secrets, err error) {
	b, err := s.aead.Open(nil, nil, v.Sealed, v.bound())
	if err == nil {
		err = json.Unmarshal(b, &x)
	}
	if err != nil {
		return x, fmt.Errorf("open the keys of node %s (is vault.key the one of this database?): %w", v.Node, err)
	}
	return x, nil
}

// of is the vault of a machine by the key of its record; nil: it has none.
func (s vaults) of(key string) (v *vault, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(bucketVaults()).Get([]byte(key)); b != nil {
			v = &vault{}
			return json.Unmarshal(b, v)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("keys of machine %s: %w", key, err)
	}
	return v, nil
}

// node finds the vault of a node and the key of its machine's record.
func (s vaults) node(id string) (key string, found *vault, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketVaults()).ForEach(func(k, b []byte) error {
			var v vault
			if err := json.Unmarshal(b, &v); err != nil {
				return fmt.Errorf("machine %s: %w", k, err)
			}
			if v.Node == id {
				key, found = string(k), &v
			}
			return nil
		})
	})
	if err != nil {
		return "", nil, fmt.Errorf("keys of machines: %w", err)
	}
	return key, found, nil
}

// put keeps a vault, durably.
func (s vaults) put(key string, v *vault) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("keys of machine %s: %w", key, err)
	}
	err = s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketVaults()).Put([]byte(key), b) })
	if err != nil {
		return fmt.Errorf("keep the keys of machine %s: %w", key, err)
	}
	return nil
}
