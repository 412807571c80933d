package httpboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fabric"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// Installations is what installers may do. *fleet.Fleet is one.
type Installations interface {
	Inventory(ticket, machine string, inv plan.Inventory) (plan.Answer, error)
	Plan(ticket, machine string) (plan.Answer, error)
	Progress(ticket, machine string, p plan.Progress) error
	Fabric(ticket, machine string, report plan.FabricReport) error
	Have(ticket, machine string, from netip.Addr, have plan.Have) (plan.Swarm, error)
	Enrol(ticket, machine string, req plan.EnrolRequest) (plan.Enrolment, error)
}

// Operations is what operators may do. *fleet.Fleet is one.
type Operations interface {
	Machines() []fleet.Machine
	Machine(id string) (fleet.Machine, error)
	Approve(id string) (fleet.Machine, error)
	Reinstall(id string) (fleet.Machine, error)
	Refresh(id string) (fleet.Machine, error)
	Matrix() *fabric.Matrix
	Power(ctx context.Context, id string, p fleet.PowerRequest) (fleet.PowerAnswer, error)
}

// maxBody is the size in bytes of the largest request: what a machine heard
// of a hundred others on as many VLANs.
const maxBody = 4 << 20

// operators are the common names of client certificates that may operate.
func operators() []string { return []string{"operator", "controller", "deployer"} }

type api struct {
	in  Installations
	ops Operations
	log *slog.Logger
}

// API makes the TLS server's handler. The server has to be set up to verify
// client certificates that are given ([tls.VerifyClientCertIfGiven]).
func API(in Installations, ops Operations, log *slog.Logger) http.Handler {
	a := api{in, ops, log}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/machines/{id}/inventory", a.returning(a.inventory))
	mux.HandleFunc("GET /v1/machines/{id}/plan", a.returning(a.plan))
	mux.HandleFunc("POST /v1/machines/{id}/progress", a.returning(a.progress))
	mux.HandleFunc("POST /v1/machines/{id}/fabric", a.returning(a.fabric))
	mux.HandleFunc("POST /v1/machines/{id}/have", a.returning(a.have))
	mux.HandleFunc("POST /v1/machines/{id}/enrol", a.returning(a.enrol))
	mux.HandleFunc("POST /v1/machines/{id}/power", a.returning(a.operator(a.power)))
	mux.HandleFunc("GET /v1/fabric", a.returning(a.operator(func(*http.Request) (any, error) {
		return map[string]any{"fabric": ops.Matrix()}, nil
	})))
	mux.HandleFunc("GET /v1/machines", a.returning(a.operator(func(*http.Request) (any, error) {
		return map[string]any{"machines": ops.Machines()}, nil
	})))
	for pattern, do := range map[string]func(string) (fleet.Machine, error){
		"GET /v1/machines/{id}":            ops.Machine,
		"POST /v1/machines/{id}/approve":   ops.Approve,
		"POST /v1/machines/{id}/reinstall": ops.Reinstall,
		"POST /v1/machines/{id}/refresh":   ops.Refresh,
	} {
		mux.HandleFunc(pattern, a.returning(a.operator(func(r *http.Request) (any, error) { return do(r.PathValue("id")) })))
	}
	return mux
}

// returning writes what a handler returns: a value, nothing, or an error.
func (a api) returning(h func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		v, err := h(r)
		code := http.StatusOK
		switch {
		case err != nil:
			code = status(err)
			level := slog.LevelDebug // it is counted, see Counted
			if code == http.StatusInternalServerError {
				level = slog.LevelError
			}
			a.log.Log(r.Context(), level, "request refused", "method", r.Method, "path", r.URL.Path, "client", r.RemoteAddr, "code", code, "why", err)
			v = map[string]string{"error": err.Error()}
			if code == http.StatusInternalServerError {
				v = map[string]string{"error": "the deployer failed; its log says why"}
			}
		case v == nil:
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			a.log.Debug("answer not sent", "path", r.URL.Path, "err", err)
		}
	}
}

// errBody means that a request is not what the API takes.
var errBody = errors.New("request body")

func status(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, fleet.ErrTicket):
		return http.StatusUnauthorized
	case errors.Is(err, fleet.ErrDenied):
		return http.StatusForbidden
	case errors.Is(err, fleet.ErrState):
		return http.StatusConflict
	case errors.Is(err, fleet.ErrUnknown):
		return http.StatusNotFound
	case errors.Is(err, fleet.ErrLocked):
		return http.StatusLocked
	case errors.Is(err, fleet.ErrBMC):
		return http.StatusBadGateway
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errBody):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func body[T any](r *http.Request) (T, error) {
	var v T
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		return v, fmt.Errorf("%w: %w", errBody, err)
	}
	return v, nil
}

// ticket is the bearer token of a request.
func ticket(r *http.Request) string {
	t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return t
}

func (a api) inventory(r *http.Request) (any, error) {
	inv, err := body[plan.Inventory](r)
	if err != nil {
		return nil, err
	}
	return a.in.Inventory(ticket(r), r.PathValue("id"), inv)
}

func (a api) plan(r *http.Request) (any, error) { return a.in.Plan(ticket(r), r.PathValue("id")) }

func (a api) progress(r *http.Request) (any, error) {
	p, err := body[plan.Progress](r)
	if err != nil {
		return nil, err
	}
	return nil, a.in.Progress(ticket(r), r.PathValue("id"), p)
}

func (a api) fabric(r *http.Request) (any, error) {
	report, err := body[plan.FabricReport](r)
	if err != nil {
		return nil, err
	}
	return nil, a.in.Fabric(ticket(r), r.PathValue("id"), report)
}

func (a api) have(r *http.Request) (any, error) {
	have, err := body[plan.Have](r)
	if err != nil {
		return nil, err
	}
	return a.in.Have(ticket(r), r.PathValue("id"), client(r), have)
}

func (a api) power(r *http.Request) (any, error) {
	p, err := body[fleet.PowerRequest](r)
	if err != nil {
		return nil, err
	}
	return a.ops.Power(r.Context(), r.PathValue("id"), p)
}

func (a api) enrol(r *http.Request) (any, error) {
	req, err := body[plan.EnrolRequest](r)
	if err != nil {
		return nil, err
	}
	return a.in.Enrol(ticket(r), r.PathValue("id"), req)
}

// operator lets only those in who show an operator's certificate.
func (a api) operator(h func(*http.Request) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
			return nil, fmt.Errorf("%w: no client certificate of the cluster's CA; needed: one for %s", fleet.ErrDenied, strings.Join(operators(), ", "))
		}
		subject := r.TLS.VerifiedChains[0][0].Subject
		if !slices.Contains(operators(), subject.CommonName) || !slices.Contains(subject.OrganizationalUnit, "service") {
			return nil, fmt.Errorf("%w: the client certificate is for %q; allowed: %s", fleet.ErrDenied, subject.CommonName, strings.Join(operators(), ", "))
		}
		return h(r)
	}
}
