package plan

// Bounds of packet sizes in bytes: what IPv6 needs (RFC 8200, section 5), and
// what switches and cards call jumbo.
const (
	minMTU = 1280
	maxMTU = 9216
)

func rackFields() []Field {
	return []Field{
		{Path: "name", Means: "Name of the rack and of its cluster.", Default: "cairn", Form: formName()},
		{Path: "management", Means: "The network of the rack itself: network boot, SSH, database, broker, agents."},
		{Path: "tenant", Means: "The tagged network of the projects."},
		{Path: "external", Means: "The network that users reach the API on; without it they do so on the management network."},
		{Path: "ssh_keys", Means: "Public keys that may log in on every machine.", Form: formKey()},
		{Path: "api_names", Means: "Further DNS names and addresses of the API, for its certificate.", Form: formAPIName()},
		{Path: "approve", Means: "Whether a machine with a plan is installed at once, or after a person has approved it.",
			Default: ApproveAuto, OneOf: []string{ApproveAuto, ApproveManual}},
		{Path: "fabric", Means: "The check of switches and cables before any disk is touched."},
		{Path: "fleet", Means: "The pace of a rollout."},
		{Path: "rules", Means: "What machines become: the first rule that a machine meets and that has room holds.",
			Default: "(the machine with the medium a controller, all others compute nodes)"},
		{Path: "machines", Means: "What is known of single machines; it overrules the rules.", AnyOf: []string{"mac", "machine", "serial"}},
	}
}

func managementFields() []Field {
	return []Field{
		{Path: "management.network", Means: "Addresses of the network.", Default: "10.20.0.0/24", Form: formNetwork()},
		{Path: "management.controller", Means: "Address of the first controller.", Default: "(the .11 of the network)", Form: formAddress()},
		{Path: "management.range_from", Means: "First address that is given to machines.", Default: "(the .100 of the network)", Form: formAddress()},
		{Path: "management.range_to", Means: "Last address that is given to machines.", Default: "(the .199 of the network)", Form: formAddress()},
		{Path: "management.nic", Means: "Card of the first controller, by its MAC.", Default: "(the first with link)", Form: formMAC()},
		{Path: "management.vlan", Means: "Tag of the management network.", Default: "0", Min: 2, Max: 4094, Zero: "untagged", Unit: "a VLAN id"},
		{Path: "management.mtu", Means: "Largest packet in bytes.", Default: "1500", Min: minMTU, Max: maxMTU, Unit: "a number of bytes"},
		{Path: "management.dhcp", Means: "Whether the deployer gives out addresses, or adds boot information beside a DHCP server that is there.",
			Default: DHCPServer, OneOf: []string{DHCPServer, DHCPProxy}},
		{Path: "management.relayed", Means: "Further networks, whose relay agents may ask the deployer."},
		{Path: "management.relayed[].network", Means: "Addresses of the network.", Needed: true, Form: formNetwork()},
		{Path: "management.relayed[].router", Means: "Default gateway of its machines.", Default: "(the .1 of the network)", Form: formAddress()},
		{Path: "management.relayed[].range_from", Means: "First address that is given to machines.", Default: "(the .100 of the network)", Form: formAddress()},
		{Path: "management.relayed[].range_to", Means: "Last address that is given to machines.", Default: "(the .199 of the network)", Form: formAddress()},
	}
}

func tenantFields() []Field {
	return []Field{
		{Path: "tenant.vlan_from", Means: "First tag that a project network may get.", Default: "100", Min: 2, Max: 4094, Unit: "a VLAN id"},
		{Path: "tenant.vlan_to", Means: "Last tag that a project network may get.", Default: "199", Min: 2, Max: 4094, Unit: "a VLAN id"},
		{Path: "tenant.mtu", Means: "Largest packet in bytes, without the tag.", Default: "1500", Min: minMTU, Max: maxMTU, Unit: "a number of bytes"},
	}
}

func externalFields() []Field {
	return []Field{
		{Path: "external.nic", Means: "Card of the first controller, by its MAC.", Default: "(none: no external network)", Form: formMAC()},
		{Path: "external.dhcp", Means: "Take the address from DHCP.", Default: "false"},
		{Path: "external.address", Means: "Or this address.", Form: formAnyNetwork()},
		{Path: "external.gateway", Means: "Default gateway, inside the network of the address.", Form: formAnyAddress()},
	}
}

func paceFields() []Field {
	return []Field{
		{Path: "fabric.check", Means: "Wait until the check passes, only say what it found, or leave it out.",
			Default: FabricEnforce, OneOf: []string{FabricEnforce, FabricReportOnly, FabricOff}},
		{Path: "fabric.quiet", Means: "Seconds without a new machine before a round of the check starts.", Default: "5", Min: 1, Max: 600, Unit: "a number of seconds"},
		{Path: "fabric.max_skew", Means: "Seconds that clocks may differ.", Default: "2", Min: 1, Max: 3600, Unit: "a number of seconds"},
		{Path: "fleet.parallel", Means: "Installations at once.", Default: "32", Min: 1, Max: 1000, Unit: "a number of machines"},
		{Path: "fleet.peers", Means: "Whether machines fetch the image from each other too.", Default: PeersOn, OneOf: []string{PeersOn, PeersOff}},
	}
}
