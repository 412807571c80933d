// Package shape describes racks whose machines are not alike: what each is
// made of, and what has to become of it.
//
// A rack is a YAML file, or one that is built in ([Built]). It imports
// qa/lab/machine for the words that machines are made of, and is imported by
// qa/lab alone.
package shape

import (
	"embed"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// A Network is what a NIC is plugged into.
type Network string

// The networks of a rack.
const (
	Management Network = "management" // untagged
	Tenant     Network = "tenant"     // the project networks, tagged
	Trunk      Network = "trunk"      // management without a tag, and the project networks with theirs
	External   Network = "external"   // where users are
)

// A Rack is a description of machines.
type Rack struct {
	// Fields of rack.yaml, as they are written there: they take the place of
	// those that every virtual rack has.
	Fields map[string]any `yaml:"rack"`
	// Machines, of which the first is the controller.
	Machines []Machine `yaml:"machines"`
}

// A Machine is what one machine is made of.
type Machine struct {
	Name      string           `json:"name"       yaml:"name"`
	Firmware  machine.Firmware `json:"firmware"   yaml:"firmware"`
	CPUs      int              `json:"cpus"       yaml:"cpus"`
	MemoryMiB int              `json:"memory_mib" yaml:"memory_mib"`
	Disks     []Disk           `json:"disks"      yaml:"disks"`
	NICs      []Network        `json:"nics"       yaml:"nics"`
	// Refused is why it has to be refused, with the remedy, in the words of
	// the deployer; empty: it has to become ready.
	Refused string `json:"refused,omitempty" yaml:"refused"`
}

// A Disk is one disk of a machine.
type Disk struct {
	GiB  int         `json:"gib"            yaml:"gib"`
	Bus  machine.Bus `json:"bus,omitempty"  yaml:"bus"`
	Ext4 string      `json:"ext4,omitempty" yaml:"ext4"` // label of a file system that is on all of it; empty: the disk is blank
}

//go:embed racks
var racks embed.FS

// Built returns a rack that is built in.
func Built(name string) (*Rack, error) {
	raw, err := racks.ReadFile(path.Join("racks", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("no rack %q is built in; allowed: %s", name, strings.Join(Names(), ", "))
	}
	return parse(name, raw)
}

// Names are those of the racks that are built in.
func Names() []string {
	files, err := racks.ReadDir("racks")
	if err != nil {
		return nil
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	return names
}

// Load reads a rack from a file.
func Load(file string) (*Rack, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parse(file, raw)
}

func parse(name string, raw []byte) (*Rack, error) {
	var r Rack
	if err := yaml.Load(raw, &r, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &r, nil
}

// check finds what no rack can be; the rest is for machine.New to say.
func (r *Rack) check() error {
	if len(r.Machines) == 0 {
		return fmt.Errorf("machines is empty; allowed: one or more, the controller first")
	}
	if first := r.Machines[0]; first.Refused != "" || !slices.Contains(first.NICs, Management) || !slices.Contains(first.NICs, External) {
		return fmt.Errorf("machine %s: the first is the controller; allowed: one that becomes ready, with a NIC in %s and one in %s", first.Name, Management, External)
	}
	seen := map[string]bool{}
	for i := range r.Machines {
		m := &r.Machines[i]
		if m.Name == "" || seen[m.Name] {
			return fmt.Errorf("machines[%d].name is %q; allowed: a name that no other has", i, m.Name)
		}
		seen[m.Name] = true
		if err := m.check(); err != nil {
			return fmt.Errorf("machine %s: %w", m.Name, err)
		}
	}
	return nil
}

func (m *Machine) check() error {
	if len(m.NICs) == 0 {
		return fmt.Errorf("nics is empty; allowed: one or more networks")
	}
	for i, n := range m.NICs {
		switch n {
		case Management, Tenant, Trunk, External:
		default:
			return fmt.Errorf("nics[%d] is %q; allowed: %s, %s, %s, %s", i, n, Management, Tenant, Trunk, External)
		}
	}
	for i, d := range m.Disks {
		if d.GiB < 1 {
			return fmt.Errorf("disks[%d].gib is %d; allowed: 1 or more", i, d.GiB)
		}
	}
	return nil
}
