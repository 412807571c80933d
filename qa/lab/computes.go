package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/qa/lab/trial"
)

// login is how to use the cloud as its administrator.
func (r *rack) login(ctx context.Context) (trial.Login, error) {
	client, err := r.trusting()
	if err != nil {
		return trial.Login{}, err
	}
	password, err := r.adminPassword(ctx)
	if err != nil {
		return trial.Login{}, err
	}
	return trial.Login{
		URL: r.base() + "/identity/v3", User: "admin", Password: password, Project: "admin", Domain: "Default", HTTP: client,
	}, nil
}

// powerOn powers all machines but the controller on, when the deployer is
// there.
func (r *rack) powerOn(ctx context.Context) (trial.Login, error) {
	login, err := r.login(ctx)
	if err != nil {
		return login, err
	}
	if err := r.writeClouds(login); err != nil {
		return login, err
	}
	first := r.config.Machines[0].Name
	if err := r.wait(ctx, waiting{what: "the deployer answers", machines: []string{first}, done: r.tryDeployer}); err != nil {
		return login, err
	}
	for _, m := range r.config.Machines[1:] {
		if err := r.switchOn(ctx, &m); err != nil {
			return login, err
		}
	}
	return login, nil
}

// switchOn powers a machine on: as its operator does, from afar, where it has
// a BMC, else by its button.
func (r *rack) switchOn(ctx context.Context, m *Machine) error {
	if !r.config.BMC {
		return r.client.power(ctx, m.Name, "on")
	}
	password, err := os.ReadFile(filepath.Join(r.dir, m.Name, bmcPassword))
	if err != nil {
		return err
	}
	s := shell{r.dir, r.config.SSH}
	if _, err := s.tell(ctx, "cairn fleet password "+m.Name, string(password)); err != nil {
		return err
	}
	_, err = s.run(ctx, "cairn fleet power on "+m.Name+" --boot network")
	return err
}

// bootComputes powers the computes on and waits until the cluster lists all
// of them as ready.
func (r *rack) bootComputes(ctx context.Context) error {
	login, err := r.powerOn(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, m := range r.config.Machines[1:] {
		names = append(names, m.Name)
	}
	return r.wait(ctx, waiting{
		what: "all computes are ready", machines: names,
		done: func(ctx context.Context) (string, bool, error) {
			hosts, busy := trial.Hosts(ctx, login)
			if busy != nil {
				return fmt.Sprintf("(%v)", busy), false, nil // the machines tell whether there is hope
			}
			var ready []string
			for _, h := range hosts {
				if h.Up {
					ready = append(ready, h.Name)
				}
			}
			return fmt.Sprintf("(%d of %d: %s)", len(ready), len(names), strings.Join(ready, ", ")), len(ready) >= len(names), nil
		},
	})
}

// writeClouds writes what the openstack client needs: the cloud rack, and
// rack-NAME for each further project, all as the administrator.
func (r *rack) writeClouds(l trial.Login, further ...string) error {
	text := []byte("clouds:\n")
	for i, project := range append([]string{l.Project}, further...) {
		name := "rack"
		if i > 0 {
			name += "-" + project
		}
		text = fmt.Appendf(text, `  %s:
    auth:
      auth_url: %s
      username: %s
      password: %s
      project_name: %s
      user_domain_name: %s
      project_domain_name: %s
    region_name: RegionOne
    identity_api_version: 3
    cacert: %s
    verify: true
`, name, l.URL, l.User, l.Password, project, l.Domain, l.Domain, filepath.Join(r.dir, caFile))
	}
	return os.WriteFile(filepath.Join(r.dir, cloudsFile), text, 0o600)
}

// sshPort is the port of 127.0.0.1 that leads to a machine's SSH. The way to
// a compute is made when it is first asked for: its address is the cloud's to
// know.
func (r *rack) sshPort(ctx context.Context, name string) (int, error) {
	if name == controllerName {
		return r.config.SSH, nil
	}
	login, err := r.login(ctx)
	if err != nil {
		return 0, err
	}
	hosts, err := trial.Hosts(ctx, login)
	if err != nil {
		return 0, err
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
		if h.Name != name {
			continue
		}
		address, err := netip.ParseAddr(h.Address)
		if err != nil {
			return 0, fmt.Errorf("address of %s: %w", name, err)
		}
		port, err := freePort(ctx, 0)
		if err != nil {
			return 0, err
		}
		return port, r.client.do(ctx, "POST", "/forward", forwarding{From: port, To: 22, Address: address}, nil)
	}
	return 0, errors.New("no machine " + name + "; there are " + controllerName + ", " + strings.Join(names, ", "))
}

// chooseForm asks how the computes run guests, and says what that means.
func (r *rack) chooseForm(ctx context.Context, login trial.Login, wish string, names []string) (trial.Form, error) {
	var hosts []trial.Hypervisor
	err := r.wait(ctx, waiting{
		what: "the cluster says how its hosts run guests", machines: names,
		done: func(ctx context.Context) (string, bool, error) {
			list, busy := trial.Hypervisors(ctx, login)
			if busy != nil {
				return fmt.Sprintf("(%v)", busy), false, nil
			}
			hosts = list
			return "", true, nil
		},
	})
	if err != nil {
		return "", err
	}
	form, why := trial.Choose(hosts, wish)
	r.run.Guests = fmt.Sprintf("%s: %s", form, why)
	r.view.say("servers are %s", r.run.Guests)
	return form, nil
}

// tryCloud uses the cloud as a stranger would.
func (r *rack) tryCloud(ctx context.Context, guest, wish string) error {
	login, err := r.login(ctx)
	if err != nil {
		return err
	}
	names := r.config.fit()
	form, err := r.chooseForm(ctx, login, wish, names)
	if err != nil {
		return err
	}
	t := trial.New(login, guest, form)
	for _, part := range t.Parts() {
		err := r.step(ctx, part.What, func() error {
			return r.wait(ctx, waiting{what: part.What, machines: names, done: part.Try})
		})
		if err != nil {
			return err
		}
	}
	if err := r.step(ctx, audits, func() error { return r.audited(ctx, names) }); err != nil {
		return err
	}
	// From now on the cloud rack is where most of the servers are.
	admin := login.Project
	login.Project = trial.ProjectOne
	return r.writeClouds(login, trial.ProjectTwo, admin)
}
