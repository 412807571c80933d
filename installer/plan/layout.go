package plan

// GPT partition names of an installation.
const (
	LabelBIOS  = "cairn-bios"
	LabelESP   = "cairn-esp"
	LabelSlotA = "cairn-a"
	LabelSlotB = "cairn-b"
	LabelData  = "cairn-data" // the file system on it has this label too
	LabelDisk  = "cairn-disk" // the only one of a disk for data of a role
)

// GPT partition types. Slots have one that no tool mounts by itself.
const (
	typeBIOS = "21686148-6449-6E6F-744E-656564454649"
	typeESP  = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	typeSlot = "8DA63339-0007-60C0-C436-083AC8230908"
	typeData = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
)

// ESPMiB is the size of the EFI system partition.
const ESPMiB = 256

const mib = 1 << 20

// Layout is the partition table of a disk of that many bytes: everything on
// 1 MiB borders, the first and the last MiB left to the GPT.
func Layout(disk int64) []Partition {
	parts := []Partition{
		{Label: LabelBIOS, Type: typeBIOS, Size: mib, File: "core.img"},
		{Label: LabelESP, Type: typeESP, Size: ESPMiB * mib, File: "esp.img"},
		{Label: LabelSlotA, Type: typeSlot, Size: SlotMiB * mib, File: "root.img"},
		{Label: LabelSlotB, Type: typeSlot, Size: SlotMiB * mib},
		{Label: LabelData, Type: typeData},
	}
	start := int64(mib)
	for i := range parts {
		parts[i].Start = start
		if parts[i].Label == LabelData {
			parts[i].Size = (disk-mib)/mib*mib - start
		}
		start += parts[i].Size
	}
	return parts
}

// DataLayout is the partition table of a disk for data of a role: all of it.
func DataLayout(disk int64) []Partition {
	return []Partition{{Label: LabelDisk, Type: typeData, Start: mib, Size: (disk-mib)/mib*mib - mib}}
}

// Disks are those that the system is written to, each the same.
func (p *Plan) Disks() []Disk {
	if p.Mirror == nil {
		return []Disk{p.Disk}
	}
	return []Disk{p.Disk, *p.Mirror}
}

// Partition finds a partition by its name.
func (p *Plan) Partition(label string) (Partition, bool) {
	for _, part := range p.Partitions {
		if part.Label == label {
			return part, true
		}
	}
	return Partition{}, false
}
