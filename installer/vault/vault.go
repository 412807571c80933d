package vault

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/go-tpm/tpm2/transport"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/luks"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/slot"
	"github.com/cairn-cloud/cairn/installer/tpm"
)

// mapping is the clear text of an encrypted data partition.
const mapping = "cairn-data"

// Make is the device for the data file system of a new installation: the
// partition itself, or the clear text of a volume on it whose key the TPM has.
func Make(p plan.Plan, device string) (slot.Mapping, error) {
	if p.Encrypt == "" {
		return slot.Mapping{Path: device}, nil
	}
	key := make([]byte, luks.KeySize)
	if _, err := rand.Read(key); err != nil {
		return slot.Mapping{}, fmt.Errorf("make a key: %w", err)
	}
	blob, err := withTPM(func(t transport.TPM) ([]byte, error) { return tpm.Seal(t, key) })
	if err != nil {
		return slot.Mapping{}, err
	}
	if err := format(device, key, luks.Token{Type: tpm.TokenType, Data: blob}); err != nil {
		return slot.Mapping{}, fmt.Errorf("encrypt %s: %w", device, err)
	}
	return openWith(device, key)
}

// format makes a volume, durably.
func format(device string, key []byte, token luks.Token) (err error) {
	f, err := os.OpenFile(device, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := luks.Format(f, key, token, rand.Reader); err != nil {
		return err
	}
	return f.Sync()
}

// openWith opens a volume with its key.
func openWith(device string, key []byte) (_ slot.Mapping, err error) {
	f, err := os.Open(device)
	if err != nil {
		return slot.Mapping{}, fmt.Errorf("data partition: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	v, err := luks.Open(f, key)
	if err != nil {
		return slot.Mapping{}, fmt.Errorf("data partition %s: %w", device, err)
	}
	return slot.OpenCrypt(mapping, device, v)
}

// Open is the device with the data file system of an installation. A key is
// taken from the TPM once in the life of a system: it gives none to what is
// started then.
func Open(device string) (slot.Mapping, error) {
	token, err := tokenOf(device)
	switch {
	case errors.Is(err, luks.ErrNone):
		return slot.Mapping{Path: device}, nil
	case err != nil:
		return slot.Mapping{}, err
	case token.Type != tpm.TokenType:
		return slot.Mapping{}, &plan.Refusal{Reason: fmt.Sprintf("the data partition %s is encrypted, and nothing here has its key (its header names %q)", device, token.Type),
			Remedy: "Boot the version of Cairn that encrypted it, or install this machine again"}
	}
	key, err := withTPM(func(t transport.TPM) ([]byte, error) { return tpm.Unseal(t, token.Data) })
	if err != nil {
		return slot.Mapping{}, noKey(device, err)
	}
	m, err := openWith(device, key)
	if err != nil {
		return m, err
	}
	if _, err := withTPM(func(t transport.TPM) ([]byte, error) { return nil, tpm.Lock(t) }); err != nil {
		return slot.Mapping{}, errors.Join(err, m.Close())
	}
	return m, nil
}

// noKey says what a person can do about a key that does not come.
func noKey(device string, why error) error {
	remedy := "Look whether the TPM is switched on in the firmware's setup, then restart the machine"
	switch {
	case errors.Is(why, tpm.ErrLocked):
		remedy = "Restart the machine through its firmware; a warm start by kexec does not reset the TPM"
	case errors.Is(why, tpm.ErrForeign):
		remedy = "Put the disk back into the machine that it was installed in. If the TPM was cleared or replaced, the data are lost: install this machine again"
	}
	return &plan.Refusal{Reason: fmt.Sprintf("the data partition %s is encrypted and stays closed: %v", device, why), Remedy: remedy}
}

func tokenOf(device string) (_ luks.Token, err error) {
	f, err := os.Open(device)
	if err != nil {
		return luks.Token{}, fmt.Errorf("data partition: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	token, _, err := luks.TokenOf(f)
	if err != nil {
		return token, fmt.Errorf("data partition %s: %w", device, err)
	}
	return token, nil
}

// How often a TPM is asked that does not answer in the kernel's time, and how
// long it may rest in between. A slow chip, or one that tests itself, needs it.
const (
	tries = 5
	rest  = 2 * time.Second
)

// withTPM does something with the machine's TPM, which must do no harm when it
// is done twice.
func withTPM(do func(transport.TPM) ([]byte, error)) ([]byte, error) {
	for n := 1; ; n++ {
		out, err := once(do)
		if n == tries || !errors.Is(err, unix.ETIME) {
			return out, err
		}
		time.Sleep(rest)
	}
}

func once(do func(transport.TPM) ([]byte, error)) (_ []byte, err error) {
	t, err := tpm.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	return do(t)
}

// Check tells whether the machine could get its key, before anything is wiped
// for it.
func Check(p plan.Plan) error {
	if p.Encrypt == "" {
		return nil
	}
	_, err := withTPM(func(t transport.TPM) ([]byte, error) { return tpm.Seal(t, make([]byte, luks.KeySize)) })
	if err != nil {
		return &plan.Refusal{Reason: fmt.Sprintf("the plan of rule %q encrypts with the TPM, which seals nothing: %v", p.Rule, err),
			Remedy: "Clear the TPM in the firmware's setup, or leave encrypt out of that rule in rack.yaml"}
	}
	return nil
}
