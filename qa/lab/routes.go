package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// A Status is how a rack is.
type Status struct {
	Accel    Accel           `json:"accel"`
	Machines []MachineStatus `json:"machines"`
	Ports    []PortStatus    `json:"ports"`
}

// A MachineStatus is how a machine is.
type MachineStatus struct {
	Name string `json:"name"`
	machine.Activity
	Progress
}

// A PortStatus is how a port of the switch is.
type PortStatus struct {
	Name string `json:"name"`
	fabric.Counters
	Fault fabric.Fault `json:"fault"`
}

// routes are what the control socket takes. Whoever may open it may do all.
func (s *supervisor) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answer(w, r, h) })
	}
	handle("GET /status", s.status)
	handle("POST /machines/{name}/{action}", s.power)
	handle("POST /forward", s.forward)
	handle("PUT /fault", s.fault)
	handle("PUT /capture", s.startCapture)
	handle("POST /quit", func(*http.Request) (any, error) { s.quit(); return nil, nil })
	mux.HandleFunc("GET /machines/{name}/console", s.console)
	mux.HandleFunc("GET /machines/{name}/bmc", s.toBMC)
	return mux
}

// answer runs a handler and writes what it returns.
func answer(w http.ResponseWriter, r *http.Request, h func(*http.Request) (any, error)) {
	out, err := h(r)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]string{"error": err.Error()}
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		return // the asker went away
	}
}

func (s *supervisor) status(r *http.Request) (any, error) {
	out := Status{Accel: s.config.Accel}
	for _, m := range s.machines {
		a, err := m.Activity(r.Context())
		if err != nil && m.On() {
			return nil, err
		}
		out.Machines = append(out.Machines, MachineStatus{m.Name(), a, m.story.progress()})
	}
	for _, p := range s.sw.Ports() {
		c, f := p.Counters()
		out.Ports = append(out.Ports, PortStatus{p.Name(), c, f})
	}
	return out, nil
}

func (s *supervisor) find(name string) (*member, error) {
	var names []string
	for _, m := range s.machines {
		if m.Name() == name {
			return m, nil
		}
		names = append(names, m.Name())
	}
	return nil, fmt.Errorf("no machine %q; there are %s", name, strings.Join(names, ", "))
}

func (s *supervisor) power(r *http.Request) (any, error) {
	m, err := s.find(r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	// The machine outlives the request.
	ctx := context.WithoutCancel(r.Context())
	b := board{m, s}
	switch action := r.PathValue("action"); action {
	case "on":
		return nil, b.PowerOn(ctx)
	case "off":
		return nil, b.PowerOff(ctx)
	case "press":
		return nil, b.Press(ctx)
	case "reset":
		return nil, b.Reset(ctx)
	default:
		return nil, fmt.Errorf("no action %q; there are on, off, press, reset", action)
	}
}

// A forwarding is a way from this host to a machine on the management network.
type forwarding struct {
	From    int        `json:"from"`
	To      int        `json:"to"`
	Address netip.Addr `json:"address"`
}

func (s *supervisor) forward(r *http.Request) (any, error) {
	var f forwarding
	if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
		return nil, err
	}
	return nil, s.gateway.Forward(r.Context(), 0, machine.Forward{From: f.From, To: f.To, Address: f.Address})
}

// A portRequest is about one port of the switch.
type portRequest struct {
	Port  string       `json:"port"`
	Fault fabric.Fault `json:"fault"`
}

func (s *supervisor) fault(r *http.Request) (any, error) {
	p, q, err := s.portOf(r)
	if err != nil {
		return nil, err
	}
	p.SetFault(q.Fault)
	s.log.Info("fault", "port", q.Port, "fault", q.Fault)
	return nil, nil
}

func (s *supervisor) startCapture(r *http.Request) (any, error) {
	p, _, err := s.portOf(r)
	if err != nil {
		return nil, err
	}
	return nil, s.capture(p)
}

func (s *supervisor) portOf(r *http.Request) (*fabric.Port, portRequest, error) {
	var q portRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		return nil, q, err
	}
	if p := s.sw.Port(q.Port); p != nil {
		return p, q, nil
	}
	var names []string
	for _, p := range s.sw.Ports() {
		names = append(names, p.Name())
	}
	return nil, q, fmt.Errorf("no port %q; there are %s", q.Port, strings.Join(names, ", "))
}

// console joins the asker's connection to a machine's serial line.
func (s *supervisor) console(w http.ResponseWriter, r *http.Request) {
	m, err := s.find(r.PathValue("name"))
	if err != nil {
		answer(w, r, func(*http.Request) (any, error) { return nil, err })
		return
	}
	conn, err := upgrade(w, r)
	if err != nil {
		s.log.Error("console", "err", err)
		return
	}
	defer conn.Close()
	if err := m.Attach(conn); err != nil {
		s.log.Info("console", "machine", m.Name(), "err", err)
	}
}

// upgrade takes the connection of a request over.
func upgrade(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		err := errors.New("this connection can't be taken over")
		answer(w, r, func(*http.Request) (any, error) { return nil, err })
		return nil, err
	}
	conn, _, err := hijacker.Hijack() // nobody speaks before the answer
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: line\r\nConnection: Upgrade\r\n\r\n"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// fileName makes a name of a port or machine fit for a file.
func fileName(name string) string { return strings.ReplaceAll(name, "/", "-") }
