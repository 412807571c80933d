package tpm

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// A root is the TPM's storage root key, by the template that everybody uses:
// the same seed makes the same key, and nothing has to be kept in the chip.
type root struct {
	t      transport.TPM
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
}

func openRoot(t transport.TPM) (*root, error) {
	made, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("TPM: storage root key (its owner's password must be empty): %w", err)
	}
	public, err := made.OutPublic.Contents()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("TPM: storage root key: %w", err), flush(t, made.ObjectHandle))
	}
	return &root{t, made.ObjectHandle, made.Name, *public}, nil
}

func (r *root) close() error { return flush(r.t, r.handle) }

func flush(t transport.TPM, h tpm2.TPMHandle) error {
	if _, err := (tpm2.FlushContext{FlushHandle: h}).Execute(t); err != nil {
		return fmt.Errorf("TPM: flush: %w", err)
	}
	return nil
}

// aesBits is the strength of the encryption on the way to the chip.
const (
	aesBits   = 128
	nonceSize = 16 // bytes
)

// auth uses the key in a session that nobody on the bus can read.
func (r *root) auth(dir tpm2.AuthOption) tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: r.handle, Name: r.name,
		Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, nonceSize, tpm2.Salted(r.handle, r.public), dir)}
}

// unseal shows the TPM that the policy holds.
func (r *root) unseal(key *tpm2.LoadResponse, pcrs []uint) ([]byte, error) {
	rule := func(t transport.TPM, session tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
		_, err := tpm2.PolicyPCR{PolicySession: session, Pcrs: selection(pcrs)}.Execute(t)
		return err
	}
	got, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: key.ObjectHandle, Name: key.Name,
		Auth: tpm2.Policy(tpm2.TPMAlgSHA256, nonceSize, rule, tpm2.Salted(r.handle, r.public), encryptOut())}}.Execute(r.t)
	if errors.Is(err, tpm2.TPMRCPolicyFail) {
		return nil, fmt.Errorf("TPM: %w", ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("TPM: unseal: %w", err)
	}
	return got.OutData.Buffer, nil
}

func selection(pcrs []uint) tpm2.TPMLPCRSelection {
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{
		{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(pcrs...)}}}
}

// policy is the digest of the rule that the lock's PCR is as after a start.
func policy() ([]byte, error) {
	calc, err := tpm2.NewPolicyCalculator(tpm2.TPMAlgSHA256)
	if err != nil {
		return nil, fmt.Errorf("TPM: policy: %w", err)
	}
	fresh := sha256.Sum256(make([]byte, sha256.Size))
	rule := tpm2.PolicyPCR{PcrDigest: tpm2.TPM2BDigest{Buffer: fresh[:]}, Pcrs: selection([]uint{lockPCR})}
	if err := rule.Update(calc); err != nil {
		return nil, fmt.Errorf("TPM: policy: %w", err)
	}
	return calc.Hash().Digest, nil
}

// lockDigest is what the lock's PCR is extended with.
func lockDigest() []byte {
	d := sha256.Sum256([]byte("cairn: the data partition is open"))
	return d[:]
}

func encryptIn() tpm2.AuthOption  { return tpm2.AESEncryption(aesBits, tpm2.EncryptIn) }
func encryptOut() tpm2.AuthOption { return tpm2.AESEncryption(aesBits, tpm2.EncryptOut) }
