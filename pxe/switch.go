package pxe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
	bmc "github.com/cairn-cloud/cairn/pxe/power"
)

// power does what an operator wants of a machine's BMC.
func (d *deployer) power(ctx context.Context, id string, m *fleet.Machine, p fleet.PowerRequest) (state string, err error) {
	k, target, err := d.bmc(id, m)
	if err != nil {
		return "", err
	}
	if p.Password != "" {
		if err := d.keepPassword(k, p.Password); err != nil {
			return "", err
		}
	}
	b, err := bmc.Open(ctx, target)
	if err != nil {
		return "", fmt.Errorf("%w: %w", fleet.ErrBMC, err)
	}
	defer func() { err = errors.Join(err, b.Close(ctx)) }()
	if err := order(ctx, b, p); err != nil {
		return "", fmt.Errorf("%w: %w", fleet.ErrBMC, err)
	}
	if state, err = b.State(ctx); err != nil {
		return "", fmt.Errorf("%w: %w", fleet.ErrBMC, err)
	}
	return state, nil
}

// order does it in the order of the request's fields.
func order(ctx context.Context, b bmc.BMC, p fleet.PowerRequest) error {
	if p.Eject {
		if err := b.Eject(ctx); err != nil {
			return err
		}
	}
	if p.ISO != "" {
		if err := b.Insert(ctx, p.ISO); err != nil {
			return err
		}
	}
	if p.Boot != "" {
		if err := b.BootNext(ctx, bmc.Boot(p.Boot)); err != nil {
			return err
		}
	}
	if p.Action == fleet.PowerStatus || p.Action == "" {
		return nil
	}
	a, err := bmc.ParseAction(p.Action)
	if err != nil {
		return fmt.Errorf("%w, or %s", err, fleet.PowerStatus)
	}
	return b.Do(ctx, a)
}

// bmc finds the BMC of a machine: by what rack.yaml says of it, and where
// that has no address by what its inventory says.
func (d *deployer) bmc(id string, m *fleet.Machine) (*plan.Known, bmc.Target, error) {
	k := d.known(id, m)
	if k == nil {
		if m == nil {
			return nil, bmc.Target{}, fmt.Errorf("%w: %q; allowed: a machine that booted, or one under machines in rack.yaml", fleet.ErrUnknown, id)
		}
		return nil, bmc.Target{}, fmt.Errorf("%w: rack.yaml has no bmc for machine %s; put one under machines", fleet.ErrState, id)
	}
	t := bmc.Target{Protocol: k.BMC.Protocol, Address: k.BMC.Address, User: k.BMC.User, PasswordFile: d.passwordFile(k), CA: k.BMC.CA, Unknown: true}
	if m != nil {
		t.UEFI, t.Unknown = m.Firmware == "uefi", m.Firmware == ""
		if m.Inventory != nil && m.Inventory.BMC != nil {
			t.Address = cmp.Or(t.Address, m.Inventory.BMC.Address)
		}
	}
	return k, t, nil
}

// known finds what rack.yaml says of a machine, by itself or by a word.
func (d *deployer) known(id string, m *fleet.Machine) *plan.Known {
	if m == nil {
		all := d.rack.Machines
		i := slices.IndexFunc(all, func(k plan.Known) bool {
			return slices.ContainsFunc([]string{k.Name, k.MAC, k.Machine, k.Serial}, func(s string) bool { return s != "" && strings.EqualFold(s, id) })
		})
		if i < 0 {
			return nil
		}
		return &all[i]
	}
	var inv plan.Inventory
	if m.Inventory != nil {
		inv = *m.Inventory
	} else {
		inv.Machine = m.ID
	}
	for _, mac := range m.MACs {
		inv.NICs = append(slices.Clone(inv.NICs), plan.NIC{MAC: mac})
	}
	return d.rack.Known(inv)
}
