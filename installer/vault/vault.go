package vault

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-tpm/tpm2/transport"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/luks"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/raid"
	"github.com/cairn-cloud/cairn/installer/slot"
	"github.com/cairn-cloud/cairn/installer/tpm"
)

// mapping is the clear text of an encrypted data partition.
const mapping = "cairn-data"

// KeptToken is the name of a key that the deployer keeps, among the tokens of
// LUKS2. Its data say whom to ask, and how.
const KeptToken = "cairn-deployer"

// A Volume is a data partition that is open.
type Volume struct {
	Path   string       // of the device with the file system
	Halves *raid.Halves // of a mirror; nil: it is none

	array    string
	clear    slot.Mapping
	key      []byte // nil: nothing is encrypted
	recovery string // while the volume is made
}

// Keys are what a deployer keeps of a machine. They are never logged.
type Keys struct {
	LUKS     string // UUID of the volume
	Key      []byte // nil: the TPM has it
	Recovery string // opens the volume too, and is for people
}

// A New says how a data partition is made.
type New struct {
	Parts   []string // one partition, or the two of a mirror
	Encrypt string   // plan.CryptTPM, plan.CryptDeployer, or empty
	// Keep hands the keys to the deployer and returns what the header says of
	// it; nil: there is none.
	Keep func(context.Context, Keys) ([]byte, error)
}

// Make makes the device for the data file system of a new installation: the
// partition itself, or a mirror of two; and in it, where that is wanted, an
// encrypted volume.
func Make(ctx context.Context, n New) (*Volume, error) {
	v := &Volume{Path: n.Parts[0]}
	if len(n.Parts) > 1 {
		if err := v.mirror(n.Parts); err != nil {
			return nil, err
		}
	}
	if n.Encrypt == "" {
		return v, nil
	}
	if err := v.encrypt(ctx, n); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// encrypt makes the volume on the device and opens it.
func (v *Volume) encrypt(ctx context.Context, n New) error {
	id, err := luks.NewUUID()
	if err != nil {
		return err
	}
	key := make([]byte, luks.KeySize)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	keys := [][]byte{key}
	if n.Keep != nil {
		if v.recovery, err = newRecovery(); err != nil {
			return err
		}
		keys = append(keys, []byte(v.recovery))
	}
	token, err := v.token(ctx, n, Keys{LUKS: id, Key: key, Recovery: v.recovery})
	if err != nil {
		return err
	}
	if err := format(v.Path, luks.New{UUID: id, Keys: keys, Token: token}); err != nil {
		return fmt.Errorf("encrypt %s: %w", v.Path, err)
	}
	return v.openWith(key)
}

// token puts the key where the initramfs gets it from.
func (v *Volume) token(ctx context.Context, n New, k Keys) (luks.Token, error) {
	token := luks.Token{Type: KeptToken}
	var err error
	if n.Encrypt == plan.CryptTPM {
		token.Type = tpm.TokenType
		if token.Data, err = withTPM(func(t transport.TPM) ([]byte, error) { return tpm.Seal(t, k.Key) }); err != nil {
			return token, err
		}
		k.Key = nil
	}
	if n.Keep == nil {
		return token, nil
	}
	data, err := n.Keep(ctx, k)
	if err != nil {
		return token, fmt.Errorf("hand the keys to the deployer: %w", err)
	}
	if token.Type == KeptToken {
		token.Data = data
	}
	return token, nil
}

// newRecovery is a key with 256 random bits that a person can type: 13 groups
// of four letters and digits.
func newRecovery() (string, error) {
	b := make([]byte, luks.KeySize)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make a recovery key: %w", err)
	}
	var groups []string
	for text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b); text != ""; text = text[4:] {
		groups = append(groups, text[:4])
	}
	return strings.Join(groups, "-"), nil
}

// format makes a volume, durably.
func format(device string, n luks.New) (err error) {
	f, err := os.OpenFile(device, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := luks.Format(f, n, rand.Reader); err != nil {
		return err
	}
	return f.Sync()
}

// openWith opens the volume on the device with its key.
func (v *Volume) openWith(key []byte) error {
	m, err := openCrypt(mapping, v.Path, key)
	if err != nil {
		return fmt.Errorf("data partition: %w", err)
	}
	v.Path, v.clear, v.key = m.Path, m, key
	return nil
}

func openCrypt(name, device string, key []byte) (_ slot.Mapping, err error) {
	f, err := os.Open(device)
	if err != nil {
		return slot.Mapping{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	volume, err := luks.Open(f, key)
	if err != nil {
		return slot.Mapping{}, fmt.Errorf("%s: %w", device, err)
	}
	return slot.OpenCrypt(name, device, volume)
}

// Close gives the partition back. Nothing may use it any more. It may be
// called again, and on nil.
func (v *Volume) Close() error {
	if v == nil {
		return nil
	}
	if err := v.clear.Close(); err != nil {
		return err
	}
	v.clear = slot.Mapping{}
	if v.array == "" {
		return nil
	}
	if err := raid.Stop(v.array); err != nil {
		return err
	}
	v.array = ""
	return nil
}
