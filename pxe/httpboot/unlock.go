package httpboot

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// Vaults is where the keys of encrypted machines are. *fleet.Fleet is one.
type Vaults interface {
	Vault(ticket, machine string, req plan.VaultRequest) (plan.Vault, error)
	Unlock(node string, req plan.UnlockRequest) (plan.Unlock, error)
	SetLocked(id string, locked bool) (fleet.Machine, error)
	Recovery(id string) (fleet.RecoveryKey, error)
}

// HandleVaults adds to the TLS server's handler what it does with keys:
//
//	POST /v1/machines/{id}/vault         an installer hands them over, by its ticket
//	POST /v1/nodes/{id}/unlock           a node that starts gets its own, by its certificate
//	POST /v1/machines/{id}/lock          an operator withdraws one: fleet.Machine
//	POST /v1/machines/{id}/unlock        and gives it again: fleet.Machine
//	POST /v1/machines/{id}/recovery-key  fleet.RecoveryKey
func HandleVaults(mux *http.ServeMux, v Vaults, log *slog.Logger) {
	a := api{log: log}
	mux.HandleFunc("POST /v1/machines/{id}/vault", a.returning(func(r *http.Request) (any, error) {
		req, err := body[plan.VaultRequest](r)
		if err != nil {
			return nil, err
		}
		return v.Vault(ticket(r), r.PathValue("id"), req)
	}))
	mux.HandleFunc("POST /v1/nodes/{id}/unlock", a.returning(func(r *http.Request) (any, error) {
		if err := mayUnlock(r); err != nil {
			return nil, err
		}
		req, err := body[plan.UnlockRequest](r)
		if err != nil {
			return nil, err
		}
		return v.Unlock(r.PathValue("id"), req)
	}))
	for what, locked := range map[string]bool{"lock": true, "unlock": false} {
		mux.HandleFunc("POST /v1/machines/{id}/"+what, a.returning(a.operator(func(r *http.Request) (any, error) {
			return v.SetLocked(r.PathValue("id"), locked)
		})))
	}
	mux.HandleFunc("POST /v1/machines/{id}/recovery-key", a.returning(a.operator(func(r *http.Request) (any, error) {
		return v.Recovery(r.PathValue("id"))
	})))
}

// mayUnlock lets only the node itself ask for its key, with the certificate
// that is for this alone: the one that it works with is behind the key.
func mayUnlock(r *http.Request) error {
	id := r.PathValue("id")
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return fmt.Errorf("%w: no client certificate of the cluster's CA; needed: the one that node %s got to ask for its key", fleet.ErrDenied, id)
	}
	subject := r.TLS.VerifiedChains[0][0].Subject
	if subject.CommonName != pki.UnlockPrefix+id || !slices.Contains(subject.OrganizationalUnit, pki.UnitUnlock) {
		return fmt.Errorf("%w: the client certificate is for %q; needed: the one that node %s got to ask for its key", fleet.ErrDenied, subject.CommonName, id)
	}
	return nil
}
