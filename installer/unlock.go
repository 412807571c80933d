package installer

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/network"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/vault"
	"github.com/cairn-cloud/cairn/node/spec"
)

// A plea is what the header of an encrypted data partition says of the
// deployer that has its key. It is no secret of the deployer's, but it is one
// of the disk's: who has the disk can ask as this node, until an operator
// locks it.
type plea struct {
	Deployer   string         `json:"deployer"` // host
	CA         string         `json:"ca"`       // sha256:<hex>
	Node       string         `json:"node"`
	Cert       string         `json:"cert"` // PEM
	Key        string         `json:"key"`  // PEM
	Management spec.Interface `json:"management"`
}

// Keeper hands keys to the deployer, but for a machine that founds a cluster of
// its own.
func (r *remote) Keeper(p plan.Plan) func(context.Context, vault.Keys) ([]byte, error) {
	if p.Founds {
		return nil
	}
	return r.keep
}

// keep returns what the header says of the deployer.
func (r *remote) keep(ctx context.Context, k vault.Keys) ([]byte, error) {
	req := plan.VaultRequest{LUKS: k.LUKS, Recovery: k.Recovery}
	var key []byte
	if k.Key != nil {
		var csr []byte
		var err error
		if key, csr, err = pki.NewRequest(); err != nil {
			return nil, err
		}
		req.Key, req.CSR = base64.StdEncoding.EncodeToString(k.Key), string(csr)
	}
	v, err := r.client.Keep(ctx, req)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(plea{Deployer: r.client.Host(), CA: r.client.CA(), Node: v.Node, Cert: v.Certificate, Key: string(key), Management: v.Management})
	if err != nil {
		return nil, fmt.Errorf("header of the data partition: %w", err)
	}
	return b, nil
}

// unlock is a [vault.Ask]: it brings the network up, asks, and leaves the
// network as the system expects it.
func (m *machine) unlock(ctx context.Context, header []byte, luksUUID string) (key []byte, err error) {
	var p plea
	if err := json.Unmarshal(header, &p); err != nil {
		return nil, fmt.Errorf("header of the data partition: %w", err)
	}
	cert, err := tls.X509KeyPair([]byte(p.Cert), []byte(p.Key))
	if err != nil {
		return nil, fmt.Errorf("header of the data partition: %w", err)
	}
	before := m.doing
	defer func() { m.doing = before }()
	m.doing = "getting the key of the data partition from the deployer at " + p.Deployer
	m.console.Printf("cairn: the data partition is encrypted; asking the deployer at %s for its key", p.Deployer)
	for wait := time.Second; ; wait = min(2*wait, linkPatience) {
		if err = m.connect(ctx, p.Management); err == nil {
			break
		}
		m.log.Warn("network", "error", err)
		m.console.Printf("cairn: the data partition is encrypted, and its key is with the deployer at %s: waiting for the network: %v", p.Deployer, err)
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
			m.modules.Coldplug("/sys") // a card may come late
		}
	}
	key, err = deployer.Unlock(ctx, deployer.Plea{Host: p.Deployer, CA: p.CA, Node: p.Node, Cert: cert, LUKS: luksUUID, Say: m.say, Log: m.log})
	if derr := linksDown(); derr != nil {
		m.log.Warn("network", "error", derr) // systemd takes it as it is
	}
	return key, err
}

// connect brings up the management network as the node has it.
func (m *machine) connect(ctx context.Context, i spec.Interface) error {
	port := network.Port{MAC: i.MAC, VLAN: i.VLAN, MTU: i.MTU}
	if i.Bond != nil {
		port.Bond, port.Members = i.Bond.Mode, i.Bond.Members
	}
	if err := m.modules.Load(port.Modules()...); err != nil {
		return err
	}
	nic, err := network.Make(ctx, port)
	if err != nil {
		return err
	}
	_, err = network.Static(staticLine(i), nic)
	return err
}

// staticLine is the kernel's form of a fixed address; see [network.Static].
func staticLine(i spec.Interface) string {
	gateway := ""
	if i.Gateway.IsValid() {
		gateway = i.Gateway.String()
	}
	return fmt.Sprintf("%s::%s:%s:::none", i.Address.Addr(), gateway, net.IP(net.CIDRMask(i.Address.Bits(), 32)))
}

// linksDown takes bonds, VLANs and addresses away and sets the cards down, as
// they are after a start.
func linksDown() error {
	if err := disconnect(); err != nil {
		return err
	}
	all, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("network links: %w", err)
	}
	for _, l := range all {
		if l.Attrs().Flags&net.FlagLoopback != 0 {
			continue
		}
		if err := netlink.LinkSetDown(l); err != nil {
			return fmt.Errorf("network link %s down: %w", l.Attrs().Name, err)
		}
	}
	return nil
}
