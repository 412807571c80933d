package tpm

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
)

// TokenType is the name of a key that this package sealed, among the tokens of
// LUKS2.
const TokenType = "cairn-tpm2"

var (
	// ErrForeign means that another TPM has sealed the key, or that this one
	// was cleared.
	ErrForeign = errors.New("this TPM has not sealed the key: the disk is of another machine, or the TPM was cleared or replaced")
	// ErrLocked means that the machine has to be restarted first.
	ErrLocked = errors.New("the TPM gives no keys any more: something has asked it since the machine was started")
)

// device is the TPM with the kernel's resource manager in front.
const device = "/dev/tpmrm0"

// Open opens the machine's TPM.
func Open() (transport.TPMCloser, error) {
	t, err := linuxtpm.Open(device)
	if err != nil {
		return nil, fmt.Errorf("TPM: %w", err)
	}
	return t, nil
}

// lockPCR is for the operating system's own use, and zero after a start.
const lockPCR = 15

// sealed is what [Seal] makes. It is nothing secret.
type sealed struct {
	PCRs    []uint `json:"pcrs"` // that the policy names, of the bank for SHA-256
	Public  []byte `json:"public"`
	Private []byte `json:"private"`
}

// Seal wraps a secret of at most 128 bytes.
func Seal(t transport.TPM, secret []byte) (_ []byte, err error) {
	root, err := openRoot(t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.close()) }()
	rule, err := policy()
	if err != nil {
		return nil, err
	}
	made, err := tpm2.Create{
		ParentHandle: root.auth(encryptIn()),
		InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{
			Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret}),
		}},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{
			Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, NoDA: true},
			AuthPolicy:       tpm2.TPM2BDigest{Buffer: rule},
		}),
	}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("TPM: seal: %w", err)
	}
	b, err := json.Marshal(sealed{PCRs: []uint{lockPCR}, Public: tpm2.Marshal(made.OutPublic), Private: tpm2.Marshal(made.OutPrivate)})
	if err != nil {
		return nil, fmt.Errorf("TPM: seal: %w", err)
	}
	return b, nil
}

// Unseal is the secret of what [Seal] made.
func Unseal(t transport.TPM, blob []byte) (_ []byte, err error) {
	var s sealed
	if err := json.Unmarshal(blob, &s); err != nil {
		return nil, fmt.Errorf("TPM: sealed key: %w", err)
	}
	public, err := tpm2.Unmarshal[tpm2.TPM2BPublic](s.Public)
	if err != nil {
		return nil, fmt.Errorf("TPM: sealed key: %w", err)
	}
	private, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](s.Private)
	if err != nil {
		return nil, fmt.Errorf("TPM: sealed key: %w", err)
	}
	root, err := openRoot(t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, root.close()) }()
	loaded, err := tpm2.Load{ParentHandle: root.auth(encryptOut()), InPrivate: *private, InPublic: *public}.Execute(t)
	if errors.Is(err, tpm2.TPMRCIntegrity) {
		return nil, fmt.Errorf("TPM: %w", ErrForeign)
	}
	if err != nil {
		return nil, fmt.Errorf("TPM: load the sealed key: %w", err)
	}
	defer func() { err = errors.Join(err, flush(t, loaded.ObjectHandle)) }()
	return root.unseal(loaded, s.PCRs)
}

// Lock keeps the sealed keys of this machine from whatever comes next, until
// the machine is restarted.
func Lock(t transport.TPM) error {
	_, err := tpm2.PCRExtend{
		PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(lockPCR), Auth: tpm2.PasswordAuth(nil)},
		Digests: tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{{HashAlg: tpm2.TPMAlgSHA256,
			Digest: lockDigest()}}},
	}.Execute(t)
	if err != nil {
		return fmt.Errorf("TPM: extend PCR %d: %w", lockPCR, err)
	}
	return nil
}
