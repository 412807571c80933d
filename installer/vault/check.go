package vault

import (
	"fmt"

	"github.com/google/go-tpm/tpm2/transport"

	"github.com/cairn-cloud/cairn/installer/luks"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tpm"
)

// Check tells whether the machine could get its key, before anything is wiped
// for it. kept: there is a deployer that keeps keys for this machine.
func Check(p plan.Plan, kept bool) error {
	switch p.Encrypt {
	case "":
		return nil
	case plan.CryptDeployer:
		if kept {
			return nil
		}
		return &plan.Refusal{Reason: fmt.Sprintf("the plan of rule %q encrypts with a key of the deployer, and this machine founds the cluster: nobody could give it the key", p.Rule),
			Remedy: "Set encrypt: tpm in a rule for this machine if it has a TPM 2.0, or encrypt: none"}
	case plan.CryptTPM:
		_, err := withTPM(func(t transport.TPM) ([]byte, error) { return tpm.Seal(t, make([]byte, luks.KeySize)) })
		if err != nil {
			return &plan.Refusal{Reason: fmt.Sprintf("the plan of rule %q encrypts with the TPM, which seals nothing: %v", p.Rule, err),
				Remedy: "Clear the TPM in the firmware's setup, or leave encrypt out of that rule in rack.yaml"}
		}
		return nil
	}
	return &plan.Refusal{Reason: fmt.Sprintf("the plan of rule %q encrypts with %q; allowed: %s, %s", p.Rule, p.Encrypt, plan.CryptTPM, plan.CryptDeployer),
		Remedy: "Boot the installer of the release that made the plan"}
}
