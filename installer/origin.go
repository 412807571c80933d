package installer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/network"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/source"
)

// mediumPatience is longer than for a disk: CD drives and virtual media of a
// BMC take their time.
const mediumPatience = 30 * time.Second

// origin finds out who decides: the deployer of the kernel line, or rack.yaml.
func (m *machine) origin(ctx context.Context, inv plan.Inventory) (origin, error) {
	if host := m.params.Get(plan.ParamDeployer); host != "" {
		return m.remote(ctx, host, inv)
	}
	m.doing = "looking for the installation medium"
	medium, err := m.findVolume(ctx, mediumLabel, mediumPatience)
	if err != nil {
		return nil, &plan.Refusal{Reason: err.Error(), Remedy: "Keep the medium in, or name a deployer with " + plan.ParamDeployer + " on the kernel line"}
	}
	m.doing = "reading rack.yaml"
	raw, err := m.rack(ctx, filepath.Join(medium.dir, releaseDir), inv)
	if err != nil {
		return nil, err
	}
	rack, err := plan.ParseRack(raw)
	if err != nil {
		return nil, &plan.Refusal{Reason: err.Error(), Remedy: "Correct rack.yaml; the line and what is allowed are above"}
	}
	if len(rack.SSHKeys) == 0 {
		m.console.Printf("cairn: rack.yaml has no ssh_keys: nobody will be able to log in over SSH")
	}
	return &local{rack: rack, rackRaw: raw, place: source.Dir(filepath.Join(medium.dir, releaseDir)),
		medium: medium.disk, disk: m.params.Get(plan.ParamDisk), log: m.log}, nil
}

func (m *machine) remote(ctx context.Context, host string, inv plan.Inventory) (origin, error) {
	m.doing = "reaching the deployer at " + host
	if err := m.network(ctx, inv); err != nil {
		return nil, err
	}
	c, err := deployer.New(deployer.Options{Host: host, CA: m.params.Get(plan.ParamCA), Ticket: m.params.Get(plan.ParamTicket),
		Machine: inv.Machine, Say: m.say, Log: m.log})
	if err != nil {
		return nil, err
	}
	return &remote{client: c, place: source.NewHTTP(imageURL(host), m.say, m.log)}, nil
}

// say shows why something is waited for.
func (m *machine) say(format string, args ...any) {
	m.console.Printf("cairn: "+format, args...)
}

// network brings up the NIC that the machine booted from, or the first with
// link.
func (m *machine) network(ctx context.Context, inv plan.Inventory) error {
	mac := inv.BootMAC
	for i := 0; mac == "" && i < len(inv.NICs); i++ {
		if inv.NICs[i].Link {
			mac = inv.NICs[i].MAC
		}
	}
	if mac == "" {
		return &plan.Refusal{Reason: "no network card of this machine has link", Remedy: "Plug in a cable, and check that the image has the card's driver and firmware"}
	}
	var lease network.Lease
	var err error
	if word := m.params.Get("ip"); word != "" && word != "dhcp" {
		lease, err = network.Static(word, mac)
	} else {
		lease, err = network.DHCP(ctx, mac, m.say, m.log)
	}
	if err != nil {
		return err
	}
	m.console.Printf("cairn: %s has address %s", lease.Interface, lease.Address)
	return nil
}

// confPatience is how long the second volume may take to appear. The medium
// is there already, so the buses have been looked through.
const confPatience = 3 * time.Second

// rack finds the text of rack.yaml: where the kernel line says, on the
// medium, or on a volume made for it.
func (m *machine) rack(ctx context.Context, dir string, inv plan.Inventory) ([]byte, error) {
	if where := m.params.Get(plan.ParamRack); where != "" {
		return m.namedRack(ctx, where, dir, inv)
	}
	raw, err := readRack(dir)
	if err != nil || raw != nil {
		return raw, err
	}
	conf, err := m.findVolume(ctx, plan.ConfVolume, confPatience)
	if err != nil {
		m.log.Info("no second volume", "error", err)
		return nil, noRack()
	}
	if raw, err = readRack(conf.dir); err == nil && raw == nil {
		err = noRack()
	}
	if cerr := conf.close(); cerr != nil && err == nil {
		err = cerr
	}
	return raw, err
}

// maxRack bounds a rack.yaml from the network, in bytes.
const maxRack = 1 << 20

// namedRack reads the rack.yaml of the kernel line: a URL, or the name of a
// file beside the release on the medium.
func (m *machine) namedRack(ctx context.Context, where, dir string, inv plan.Inventory) ([]byte, error) {
	if !strings.HasPrefix(where, "http://") && !strings.HasPrefix(where, "https://") {
		return source.Dir(dir).Whole(ctx, where, maxRack)
	}
	if err := m.network(ctx, inv); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", plan.ParamRack, err)
	}
	client := &http.Client{Timeout: time.Minute}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", plan.ParamRack, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s answers %s", plan.ParamRack, where, res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxRack))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", plan.ParamRack, err)
	}
	return b, nil
}
