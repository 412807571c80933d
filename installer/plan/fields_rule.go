package plan

import "github.com/cairn-cloud/cairn/node/spec"

// roleWords are the roles that a rule may give.
func roleWords() []string {
	var words []string
	for _, r := range spec.Roles {
		words = append(words, string(r))
	}
	return words
}

func ruleFields() []Field {
	return []Field{
		{Path: "rules[].name", Means: "Name of the rule, unlike that of any other.", Default: "(the first role)", Form: formLine()},
		{Path: "rules[].match", Means: "What a machine must be: all that is named here; without it every machine."},
		{Path: "rules[].roles", Means: "What the machine does.", Needed: true, Some: true, Unique: true, OneOf: roleWords()},
		{Path: "rules[].host", Means: "Host name. %d counts from 1; {field} is a field of the inventory, of the management card or the system disk where the machine has several.",
			Default: "(the first role and %d)", Form: formHost()},
		{Path: "rules[].count", Means: "Machines at most; those above it go on to the next rule.", Default: "0", Min: 1, Zero: "any number", Unit: "a number of machines"},
		{Path: "rules[].disk", Means: "The disk to install on."},
		{Path: "rules[].data", Means: "Further disks, for data of a role."},
		{Path: "rules[].nics", Means: "How the machine's cards make its networks."},
		{Path: "rules[].encrypt", Means: "Encryption of the data partition: with a key in the TPM, from the deployer, or auto: the TPM where there is one, else the deployer.",
			Default: CryptNone, OneOf: []string{CryptNone, CryptAuto, CryptTPM, CryptDeployer}},
	}
}

func matchFields() []Field {
	return []Field{
		{Path: "rules[].match.mac", Means: "MAC of any of its cards, one of these.", Form: formMAC()},
		{Path: "rules[].match.machine", Means: "SMBIOS UUID, one of these."},
		{Path: "rules[].match.serial", Means: "SMBIOS serial number, one of these."},
		{Path: "rules[].match.min_memory_mib", Means: "MiB of memory at least; firmware and kernel keep some of what is built in.", Default: "0", Unit: "a number of MiB"},
		{Path: "rules[].match.min_cpus", Means: "Processors at least, as the kernel counts them.", Default: "0", Unit: "a number of processors"},
		{Path: "rules[].match.local", Means: "true: installs from the medium; false: booted from the network.", Default: "(either)"},
		{Path: "rules[].match.where", Means: "Conditions on fields of the inventory by their dotted names; see below."},
	}
}

// diskFields are the selectors of a disk, for the system or for data.
func diskFields(at string, data bool) []Field {
	fields := []Field{
		{Path: at + ".path", Means: "/dev name, or place in the machine like pci-0000:00:1f.2-ata-1."},
		{Path: at + ".serial", Means: "Serial number or WWN."},
		{Path: at + ".model", Means: "Part of the model's name, or a pattern with * and ?."},
		{Path: at + ".bus", Means: "How the disk is attached. Removable disks count only when path, serial or bus is set.",
			OneOf: []string{"virtio", "scsi", "ata", "nvme", "usb", "mmc"}},
		{Path: at + ".min_gib", Means: "Size in GiB at least.", Default: "12", Min: MinDiskGiB, Unit: "a number of GiB"},
		{Path: at + ".max_gib", Means: "Size in GiB at most.", Default: "0", Min: 1, Zero: "any size", Unit: "a number of GiB"},
		{Path: at + ".rotational", Means: "true: a disk that turns; false: one that does not.", Default: "(either)"},
		{Path: at + ".choose", Means: "Which one, where several could be meant; only refuses that.",
			Default: ChooseOnly, OneOf: []string{ChooseOnly, ChooseSmallest, ChooseLargest, ChooseFirst}},
		{Path: at + ".wipe", Means: "What on it may be lost: nothing, an earlier installation of Cairn, or all.",
			Default: WipeNever, OneOf: []string{WipeNever, WipeCairn, WipeAlways}},
		{Path: at + ".comment", Means: "Anything; for people."},
		{Path: at + ".mirror", Means: "Install on two disks as RAID 1; choose picks both.", Default: "false"},
	}
	if !data {
		return fields
	}
	fields = fields[:len(fields)-1] // no mirror
	for i := range fields {
		switch fields[i].Path {
		case at + ".min_gib":
			fields[i].Default, fields[i].Min = "1", 1
		case at + ".choose":
			fields[i].Means = "Which come first, where there are more than count."
			fields[i].Default, fields[i].OneOf = ChooseFirst, []string{ChooseSmallest, ChooseLargest, ChooseFirst}
		}
	}
	return fields
}

func dataFields() []Field {
	return append([]Field{
		{Path: "rules[].data[].use", Means: "What the disks hold.", Needed: true, OneOf: []string{UseVolumes, UseObjects, UseImages}},
		{Path: "rules[].data[].count", Means: "How many.", Default: "0", Min: 1, Zero: "all that are left", Unit: "a number of disks"},
		{Path: "rules[].data[].disk", Means: "Which disks; never the one with the system."},
	}, diskFields("rules[].data[].disk", true)...)
}

func nicFields() []Field {
	return []Field{
		{Path: "rules[].nics.bond", Means: "Join cards to one, for management and projects.",
			Default: BondNone, OneOf: []string{BondNone, BondActiveBackup, BondLACP}},
		{Path: "rules[].nics.members", Means: "Cards of the bond: MACs, names or drivers.", Default: "(all with link)"},
		{Path: "rules[].nics.one_trunk", Means: "Projects share the card of the management network, with tags. A machine with one card does so by itself.", Default: "false"},
	}
}

func machineFields() []Field {
	return []Field{
		{Path: "machines[].mac", Means: "The machine, by the MAC of any of its cards,", Form: formMAC()},
		{Path: "machines[].machine", Means: "or by its SMBIOS UUID,"},
		{Path: "machines[].serial", Means: "or by its SMBIOS serial number."},
		{Path: "machines[].name", Means: "Host name.", Default: "(by its rule)", Form: formName()},
		{Path: "machines[].address", Means: "Address on the management network, outside the range.", Default: "(one of the range)", Form: formAddress()},
		{Path: "machines[].rule", Means: "The rule that holds, by name, whatever it matches.", Default: "(the first that it meets)", Form: formLine()},
		{Path: "machines[].bmc", Means: "How the machine's power is controlled."},
		{Path: "machines[].bmc.address", Means: "Its board management controller.", Default: "(what the inventory found)", Form: formHostPort()},
		{Path: "machines[].bmc.protocol", Means: "What it speaks.", Default: ProtocolRedfish, OneOf: []string{ProtocolRedfish, ProtocolIPMI}},
		{Path: "machines[].bmc.user", Means: "Account on it."},
		{Path: "machines[].bmc.password_file", Means: "File with the password, on the deployer, 0600; rack.yaml is no secret.", Form: formFile()},
		{Path: "machines[].bmc.ca", Means: "Digest of the certificate that it must show.", Form: formFingerprint()},
	}
}
