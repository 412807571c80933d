package plan

import "github.com/cairn-cloud/cairn/node/spec"

// What a machine with encrypted data says to its deployer besides: it hands
// the keys over before it enrols, by its boot ticket. Unlock is answered with
// 423 while an operator has the node locked; the node asks again.
//
//	POST /v1/machines/{machine}/vault       VaultRequest  -> Vault
//	POST /v1/nodes/{id}/unlock              UnlockRequest -> Unlock

// A VaultRequest has the keys of a new data partition. It is never logged.
type VaultRequest struct {
	LUKS string `json:"luks"`          // UUID of the LUKS header
	Key  string `json:"key,omitempty"` // base64, 32 bytes; empty: the machine's TPM has it
	// Recovery is text that opens the data too, on any machine with cryptsetup.
	Recovery string `json:"recovery"`
	CSR      string `json:"csr,omitempty"` // PEM, for the certificate to ask with; empty with a TPM
}

// A Vault is what a machine needs to ask for its key when it boots.
type Vault struct {
	Node        string         `json:"node"`                  // id that it will have
	Certificate string         `json:"certificate,omitempty"` // PEM, for [UnlockRequest] alone
	Management  spec.Interface `json:"management"`
}
