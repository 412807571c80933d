package plan

import (
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// nics are the MAC addresses of a machine's networks.
type nics struct{ management, tenant, external string }

// chooseNICs tells which NIC serves which network. Management is the NIC that
// the machine booted from, or the one that rack.yaml names for the first
// controller, or the first with link; tenant is the next one.
func chooseNICs(inv Inventory, r *Rack, rule *RoleRule, local bool) (nics, error) {
	var out nics
	if len(inv.NICs) == 0 {
		return out, refuse("Check that it has one, and that the image has its driver and firmware",
			"the machine has no network card")
	}
	var err error
	if local && r.External.NIC != "" {
		if out.external, err = haveNIC(inv, "external.nic", r.External.NIC); err != nil {
			return out, err
		}
	}
	if out.management, err = managementNIC(inv, r, local, out.external); err != nil {
		return out, err
	}
	out.tenant = next(inv.NICs, out)
	if out.tenant == "" && slices.Contains(rule.Roles, spec.RoleCompute) {
		return out, refuse("Add a second network card for the project networks, or give the machine another role",
			"a compute node needs two network cards, and the machine has only %s", nicList(inv.NICs))
	}
	return out, nil
}

func managementNIC(inv Inventory, r *Rack, local bool, external string) (string, error) {
	if local && r.Management.NIC != "" {
		return haveNIC(inv, "management.nic", r.Management.NIC)
	}
	if !local && inv.BootMAC != "" {
		return haveNIC(inv, ParamBootIf, inv.BootMAC)
	}
	rest := slices.DeleteFunc(slices.Clone(inv.NICs), func(n NIC) bool { return n.MAC == external })
	if len(rest) == 1 {
		return rest[0].MAC, nil
	}
	for _, n := range rest {
		if n.Link {
			return n.MAC, nil
		}
	}
	return "", refuse("Plug in the cable of the management network, or set management.nic in rack.yaml",
		"cannot tell which network card is the management one: none of %s has link", nicList(rest))
}

// haveNIC checks that the machine has the NIC that something names.
func haveNIC(inv Inventory, field, mac string) (string, error) {
	mac = strings.ToLower(mac)
	if slices.ContainsFunc(inv.NICs, func(n NIC) bool { return n.MAC == mac }) {
		return mac, nil
	}
	return "", refuse("Set "+field+" to one of them",
		"%s is %s, and the machine has no such network card; it has %s", field, mac, nicList(inv.NICs))
}

// next is the first NIC after the management one that is not taken, or one
// before it where there is none behind.
func next(all []NIC, taken nics) string {
	at := slices.IndexFunc(all, func(n NIC) bool { return n.MAC == taken.management })
	for i := 1; i < len(all); i++ {
		n := all[(at+i)%len(all)]
		if n.MAC != taken.external {
			return n.MAC
		}
	}
	return ""
}

func nicList(all []NIC) string {
	var words []string
	for _, n := range all {
		link := "no link"
		if n.Link {
			link = "link"
		}
		words = append(words, n.Name+" ("+n.MAC+", "+link+")")
	}
	return strings.Join(words, ", ")
}
