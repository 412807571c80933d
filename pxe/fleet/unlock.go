package fleet

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// ErrLocked means that an operator has withdrawn a key.
var ErrLocked = errors.New("locked")

// Sizes of keys: of a volume in bytes, of a recovery key in characters.
const (
	luksKeySize = 32
	minRecovery = 32
	maxRecovery = 256
)

// Vault keeps the keys of a machine that is being installed, and tells it what
// it needs to ask for them. The same request again gets the same answer.
func (f *Fleet) Vault(ticket, machine string, req plan.VaultRequest) (out plan.Vault, err error) {
	err = f.durably(func() error {
		r, err := f.fresh(ticket, machine)
		if err != nil {
			return err
		}
		if err := checkVault(&r.Machine, req); err != nil {
			return err
		}
		out, err = f.keep(r, req)
		return err
	})
	return out, err
}

// checkVault tells whether the machine may hand such keys over now.
func checkVault(m *Machine, req plan.VaultRequest) error {
	if m.State != Checked && m.State != Installing {
		return fmt.Errorf("%w: machine %s is %s; it hands its keys over while it is installing", ErrState, m.ID, m.State)
	}
	switch m.Plan.Encrypt {
	case plan.CryptTPM, plan.CryptDeployer:
	default:
		return fmt.Errorf("%w: the plan of machine %s encrypts nothing", ErrState, m.ID)
	}
	key, err := base64.StdEncoding.DecodeString(req.Key)
	_, uerr := uuid.Parse(req.LUKS)
	switch {
	case m.Plan.Founds:
		return fmt.Errorf("%w: machine %s founds the cluster; nobody would have its keys", ErrDenied, m.ID)
	case uerr != nil:
		return fmt.Errorf("%w: luks is %q; allowed: a UUID", ErrDenied, req.LUKS)
	case m.Plan.Encrypt == plan.CryptTPM && req.Key != "":
		return fmt.Errorf("%w: key is set; allowed: none, since machine %s has a TPM for it", ErrDenied, m.ID)
	case m.Plan.Encrypt == plan.CryptDeployer && (err != nil || len(key) != luksKeySize):
		return fmt.Errorf("%w: key is not base64 of %d bytes", ErrDenied, luksKeySize)
	case len(req.Recovery) < minRecovery || len(req.Recovery) > maxRecovery:
		return fmt.Errorf("%w: recovery has %d characters; allowed: %d to %d", ErrDenied, len(req.Recovery), minRecovery, maxRecovery)
	}
	return nil
}

func (f *Fleet) keep(r *record, req plan.VaultRequest) (plan.Vault, error) {
	m := &r.Machine
	v, err := f.vaults.of(r.Key)
	if err != nil {
		return plan.Vault{}, err
	}
	sum := sha256.Sum256([]byte(req.LUKS + "\n" + req.CSR))
	if digest := hex.EncodeToString(sum[:]); v == nil || v.Digest != digest {
		v = &vault{Node: f.nodeID(r, v), LUKS: req.LUKS, Digest: digest}
		if req.CSR != "" {
			cert, err := f.conf.Issuer.IssueUnlock([]byte(req.CSR), v.Node)
			if err != nil {
				return plan.Vault{}, fmt.Errorf("%w: %w", ErrDenied, err)
			}
			v.Cert = string(cert)
		}
		if err := f.vaults.seal(v, secrets{Key: req.Key, Recovery: req.Recovery}); err != nil {
			return plan.Vault{}, err
		}
		if err := f.vaults.put(r.Key, v); err != nil {
			return plan.Vault{}, err
		}
		f.say("keys kept", m, "node", v.Node, "luks", v.LUKS)
	}
	a, err := f.pin(m.Plan)
	if err != nil {
		return plan.Vault{}, fmt.Errorf("address of machine %s: %w", m.ID, err)
	}
	return plan.Vault{Node: v.Node, Certificate: v.Cert, Management: m.Plan.Node(f.conf.Rack, v.Node, a).Management}, nil
}

// nodeID is the id of the node that the machine is or becomes: it stays the
// same when the machine is installed again.
func (f *Fleet) nodeID(r *record, v *vault) string {
	switch {
	case r.Machine.Node != nil:
		return r.Machine.Node.ID
	case v != nil:
		return v.Node
	}
	return uuid.NewString()
}

// Unlock gives a node the key of its data.
func (f *Fleet) Unlock(node string, req plan.UnlockRequest) (plan.Unlock, error) {
	key, v, err := f.vaults.node(node)
	if err != nil {
		return plan.Unlock{}, err
	}
	x, err := f.unlock(node, v, req)
	if err != nil {
		f.conf.Log.Warn("key refused", "node", node, "luks", req.LUKS, "why", err)
		return plan.Unlock{}, err
	}
	f.conf.Log.Info("key given", "node", node, "luks", req.LUKS, "machine", key)
	return plan.Unlock{Key: x.Key}, nil
}

func (f *Fleet) unlock(node string, v *vault, req plan.UnlockRequest) (x secrets, err error) {
	switch {
	case v == nil:
		return x, fmt.Errorf("%w: this deployer keeps no key of node %s", ErrUnknown, node)
	case v.Locked:
		return x, fmt.Errorf("%w: an operator has withdrawn the key of node %s; `cairn fleet unlock` gives it again", ErrLocked, node)
	case v.LUKS != req.LUKS:
		return x, fmt.Errorf("%w: node %s asks for the key of volume %q, and its own is %s", ErrDenied, node, req.LUKS, v.LUKS)
	}
	if x, err = f.vaults.open(v); err != nil {
		return x, err
	}
	if x.Key == "" {
		return x, fmt.Errorf("%w: the key of node %s is in its TPM", ErrDenied, node)
	}
	return x, nil
}

// SetLocked withdraws the key of a node, or gives it again. A node that runs
// goes on; one that starts waits for its key.
func (f *Fleet) SetLocked(id string, locked bool) (Machine, error) {
	what := "key given again"
	if locked {
		what = "key withdrawn"
	}
	return f.operate(id, func(r *record) error {
		v, err := f.kept(r)
		if err != nil {
			return err
		}
		if x, err := f.vaults.open(v); err != nil {
			return err
		} else if x.Key == "" {
			return fmt.Errorf("%w: machine %s has its key in its TPM, where nobody can withdraw it", ErrState, r.Machine.ID)
		}
		r.Machine.note(what, "by an operator", f.conf.Now)
		v.Locked = locked
		return f.vaults.put(r.Key, v)
	})
}

// A RecoveryKey opens the data of a node on any machine with cryptsetup.
type RecoveryKey struct {
	LUKS string `json:"luks"` // UUID of the volume that it opens, beside those of further disks
	Key  string `json:"key"`
}

// Recovery is the recovery key of a machine. That it was shown is noted.
func (f *Fleet) Recovery(id string) (out RecoveryKey, err error) {
	_, err = f.operate(id, func(r *record) error {
		v, err := f.kept(r)
		if err != nil {
			return err
		}
		x, err := f.vaults.open(v)
		if err != nil {
			return err
		}
		r.Machine.note("recovery key shown", "to an operator", f.conf.Now)
		out = RecoveryKey{LUKS: v.LUKS, Key: x.Recovery}
		return nil
	})
	return out, err
}

// kept is the vault of a machine that has one.
func (f *Fleet) kept(r *record) (*vault, error) {
	v, err := f.vaults.of(r.Key)
	if err == nil && v == nil {
		err = fmt.Errorf("%w: machine %s is not encrypted, or its keys are not kept here", ErrState, r.Machine.ID)
	}
	return v, err
}
