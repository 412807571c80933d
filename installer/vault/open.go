package vault

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/go-tpm/tpm2/transport"

	"github.com/cairn-cloud/cairn/installer/luks"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tpm"
)

// Ask gets the key of a volume from the deployer that its header names. It
// waits for as long as that may still give it.
type Ask func(ctx context.Context, header []byte, luksUUID string) ([]byte, error)

// Open opens the device with the data file system of an installation: of one
// partition, or of what is there of a mirror.
func Open(ctx context.Context, parts []string, ask Ask) (*Volume, error) {
	v := &Volume{Path: parts[0]}
	if err := v.assemble(parts); err != nil {
		return nil, err
	}
	if err := v.unlock(ctx, ask); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// unlock opens the encrypted volume, if it is one.
func (v *Volume) unlock(ctx context.Context, ask Ask) error {
	token, id, err := tokenOf(v.Path)
	switch {
	case errors.Is(err, luks.ErrNone):
		return nil
	case err != nil:
		return err
	case token.Type == tpm.TokenType:
		return v.unseal(token)
	case token.Type != KeptToken:
		return &plan.Refusal{Reason: fmt.Sprintf("the data partition %s is encrypted, and nothing here has its key (its header names %q)", v.Path, token.Type),
			Remedy: "Boot the version of Cairn that encrypted it, or install this machine again"}
	}
	key, err := ask(ctx, token.Data, id)
	if err != nil {
		return err
	}
	err = v.openWith(key)
	if errors.Is(err, luks.ErrKey) {
		return &plan.Refusal{Reason: fmt.Sprintf("the data partition %s is encrypted and stays closed: the key that the deployer gave does not open it", v.Path),
			Remedy: "Open it with the recovery key (`cairn fleet recovery-key` on the deployer) and cryptsetup, or install this machine again"}
	}
	return err
}

// unseal opens the volume with a key of the TPM, once in the life of a system:
// the TPM gives none to what is started then.
func (v *Volume) unseal(token luks.Token) error {
	key, err := withTPM(func(t transport.TPM) ([]byte, error) { return tpm.Unseal(t, token.Data) })
	if err != nil {
		return noKey(v.Path, err)
	}
	if err := v.openWith(key); err != nil {
		return err
	}
	_, err = withTPM(func(t transport.TPM) ([]byte, error) { return nil, tpm.Lock(t) })
	return err
}

// noKey says what a person can do about a key that does not come.
func noKey(device string, why error) error {
	remedy := "Look whether the TPM is switched on in the firmware's setup, then restart the machine"
	switch {
	case errors.Is(why, tpm.ErrLocked):
		remedy = "Restart the machine through its firmware; a warm start by kexec does not reset the TPM"
	case errors.Is(why, tpm.ErrForeign):
		remedy = "Put the disk back into the machine that it was installed in. If the TPM was cleared or replaced, " +
			"the recovery key opens the data, where a deployer keeps one (`cairn fleet recovery-key`); else they are lost: install this machine again"
	}
	return &plan.Refusal{Reason: fmt.Sprintf("the data partition %s is encrypted and stays closed: %v", device, why), Remedy: remedy}
}

func tokenOf(device string) (_ luks.Token, id string, err error) {
	f, err := os.Open(device)
	if err != nil {
		return luks.Token{}, "", fmt.Errorf("data partition: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	token, id, err := luks.TokenOf(f)
	if err != nil {
		return token, id, fmt.Errorf("data partition %s: %w", device, err)
	}
	return token, id, nil
}
