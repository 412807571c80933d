package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cairn-cloud/cairn/qa/lab/bmc"
	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// Files of the supervisor in the rack's directory.
const (
	pidFile    = "supervisor.pid"
	logFile    = "supervisor.log"
	socketFile = "control.sock"
)

// A supervisor owns a rack's switch and machines for as long as the rack is
// up. When it ends, even by kill -9, they end.
type supervisor struct {
	dir    string
	config *Config
	log    *slog.Logger
	sw     *fabric.Switch
	quit   context.CancelFunc

	machines []*member
	bmcs     []*bmc.BMC
	gateway  *machine.Machine
	captures []*os.File
}

// A member is a machine and what its console told.
type member struct {
	*machine.Machine
	story *story
	drive int   // the CD-ROM for virtual media
	bmc   *door // to its BMC; nil: it has none
}

// supervise runs a rack until the context ends or somebody says so.
func supervise(ctx context.Context, dir string, log *slog.Logger) error {
	config, err := loadConfig(dir)
	if err != nil {
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	s := &supervisor{dir: dir, config: config, log: log, sw: fabric.New("rack-switch"), quit: quit}
	if err := s.build(); err != nil {
		return err
	}
	if err := s.gateway.PowerOn(ctx); err != nil {
		return err
	}
	listener, err := listenIn(ctx, dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, pidFile), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	defer os.Remove(filepath.Join(dir, pidFile))
	go s.sw.Announce(ctx)
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("the rack has power", "machines", len(s.machines))
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	return errors.Join(err, s.end(server))
}

// end switches everything off.
func (s *supervisor) end(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	for _, m := range s.machines {
		errs = append(errs, m.PowerOff(ctx))
	}
	for _, b := range s.bmcs {
		errs = append(errs, b.Close())
	}
	errs = append(errs, s.gateway.PowerOff(ctx), server.Shutdown(ctx))
	for _, f := range s.captures {
		errs = append(errs, f.Close())
	}
	s.log.Info("the rack has no power any more")
	return errors.Join(errs...)
}

// build makes switch ports and machines, all of them off.
func (s *supervisor) build() error {
	launcher := machine.NewLauncher()
	for i := range s.config.Machines {
		c := &s.config.Machines[i]
		spec, err := s.spec(c)
		if err != nil {
			return err
		}
		story := newStory()
		m, err := machine.New(spec, machine.Needs{Launcher: launcher, Lines: story.line, Log: s.log})
		if err != nil {
			return err
		}
		own := &member{Machine: m, story: story, drive: len(spec.CDROMs) - 1}
		s.machines = append(s.machines, own)
		if s.config.BMC {
			if err := s.attend(own, c); err != nil {
				return err
			}
		}
	}
	services, err := s.services()
	if err != nil {
		return err
	}
	port, err := s.port(fabric.PortConfig{Name: gatewayName, Access: managementVLAN, NoDHCPServer: true})
	if err != nil {
		return err
	}
	s.gateway, err = machine.New(machine.Spec{
		Name: gatewayName, Dir: filepath.Join(s.dir, gatewayName),
		NICs: []machine.NIC{{Port: port}},
		Gateway: &machine.User{
			Network:  managementNetwork,
			Forwards: []machine.Forward{{From: s.config.SSH, To: 22, Address: controllerAddress}},
			Services: services,
		},
	}, machine.Needs{Launcher: launcher, Log: s.log})
	return err
}

// port adds a port to the switch, with a capture when the rack wants one.
func (s *supervisor) port(c fabric.PortConfig) (*fabric.Port, error) {
	p, err := s.sw.AddPort(c)
	if err != nil || !s.config.Capture {
		return p, err
	}
	return p, s.capture(p)
}

// capture writes what passes a port to a file from now on.
func (s *supervisor) capture(p *fabric.Port) error {
	dir := filepath.Join(s.dir, "captures")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, fileName(p.Name())+".pcap"))
	if err != nil {
		return err
	}
	s.captures = append(s.captures, f)
	return p.Capture(f)
}

// listenIn opens the control socket of a rack. The path of a Unix socket may
// have 107 bytes only, so it is named through the directory's descriptor.
func listenIn(ctx context.Context, dir string) (net.Listener, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := os.Remove(filepath.Join(dir, socketFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketFile))
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // the name is gone with the descriptor
	return l, os.Chmod(filepath.Join(dir, socketFile), 0o600)
}
