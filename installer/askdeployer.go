package installer

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// maxScript bounds a boot script, in bytes.
const maxScript = 64 << 10

// askDeployer asks for the boot script of this machine, as its firmware would
// if it booted from the network: the fingerprint and the one-shot ticket are
// in it. What comes over plain HTTP is not trusted; a person compares the
// fingerprint, and everything after it is TLS with that CA.
func (a *asking) askDeployer(ctx context.Context, host string) (wizard.Deployer, error) {
	platform := map[string]string{"bios": "pcbios", "uefi": "efi"}[a.inv.Firmware]
	q := url.Values{"mac": {a.usedMAC()}, "uuid": {a.inv.Machine}, "platform": {platform}}
	where := "http://" + net.JoinHostPort(host, strconv.Itoa(plan.HTTPPort)) + "/boot/script?" + q.Encode()
	ctx, done := context.WithTimeout(ctx, 2*reachPatience)
	defer done()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return wizard.Deployer{}, fmt.Errorf("deployer %q: %w", host, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return wizard.Deployer{}, fmt.Errorf("the deployer at %s does not answer: %w", host, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxScript))
	if err != nil {
		return wizard.Deployer{}, fmt.Errorf("the deployer at %s: %w", host, err)
	}
	if res.StatusCode != http.StatusOK {
		return wizard.Deployer{}, fmt.Errorf("the deployer at %s refuses this machine: %s", host, strings.TrimSpace(string(b)))
	}
	return readScript(host, string(b))
}

// usedMAC is the card that the machine reaches the deployer by.
func (a *asking) usedMAC() string {
	for _, n := range a.inv.NICs {
		if addressOf(n.Name).IsValid() {
			return n.MAC
		}
	}
	return a.inv.BootMAC
}

// readScript finds in a boot script what it tells the installer, or why it
// starts none.
func readScript(host, script string) (wizard.Deployer, error) {
	d := wizard.Deployer{Host: host}
	for l := range strings.Lines(script) {
		l = strings.TrimSpace(l)
		if why, ok := strings.CutPrefix(l, "echo Cairn: "); ok && d.Why == "" {
			d.Why = why
		}
		if !strings.HasPrefix(l, "kernel ") {
			continue
		}
		p := initrd.ParseParams(l)
		d.CA, d.Ticket, d.Why = p.Get(plan.ParamCA), p.Get(plan.ParamTicket), ""
		if h := p.Get(plan.ParamDeployer); h != "" {
			d.Host = h
		}
		break
	}
	if d.CA == "" && d.Why == "" {
		return d, fmt.Errorf("what is at %s port %d is no deployer of Cairn", host, plan.HTTPPort)
	}
	return d, nil
}
