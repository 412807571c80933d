package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// Handovers of an installation to the installed system.
const (
	HandoverKexec  = "kexec" // falls back to reboot
	HandoverReboot = "reboot"
)

// Options are what a plan depends on beside machine and rack.
type Options struct {
	Version string // of the release
	Local   bool   // installs from the medium: becomes the first controller
	// Number is what %d in the host name begins to count with; default 1.
	Number int
	Disk   string // path or serial number that a person named; overrules the rule's choice, not its wipe

	Taken map[string]int  // how many other machines each rule has, by its name
	Names map[string]bool // host names of other machines
	Rule  string          // rule that the machine had: it stays there while it meets it
	Name  string          // host name that the machine had: it keeps it while its rule makes it
}

// Make joins a machine and its rack into a plan, or refuses with a [Refusal].
func Make(inv Inventory, r *Rack, o Options) (Plan, error) {
	m := maker{inv: inv, rack: r, o: o}
	if err := m.make(); err != nil {
		return Plan{}, err
	}
	return m.plan, nil
}

// A maker makes one plan.
type maker struct {
	inv   Inventory
	rack  *Rack
	o     Options
	known *Known    // what rack.yaml says of this machine; nil: nothing
	rule  *RoleRule // that holds
	plan  Plan
	disks []DiskStep // how the disks were chosen, step by step
}

func (m *maker) make() error {
	for _, step := range []func() error{m.identify, m.role, m.systemDisks, m.dataDisks, m.cards, m.encryption, m.name} {
		if err := step(); err != nil {
			return err
		}
	}
	m.plan.Machine, m.plan.Version, m.plan.Handover = m.inv.Machine, m.o.Version, HandoverKexec
	return nil
}

// identify finds what rack.yaml says of the machine.
func (m *maker) identify() error {
	for i := range m.rack.Machines {
		k := &m.rack.Machines[i]
		if !k.is(&m.inv) {
			continue
		}
		if m.known != nil {
			return refuse("Make one entry of them",
				"machine %s is two machines in rack.yaml: %s and %s", m.inv.Machine, m.known, k)
		}
		m.known = k
	}
	if m.known == nil || !m.known.Address.IsValid() {
		return nil
	}
	first := m.rack.Management.Controller
	switch {
	case m.o.Local && m.known.Address != first:
		return refuse("Set one of the two to the other",
			"machines has the address %s for this machine, and the first controller's is management.controller %s", m.known.Address, first)
	case !m.o.Local && m.known.Address == first:
		return refuse("Give the machine another address under machines in rack.yaml",
			"machines has the address %s for this machine, which is that of the first controller", first)
	}
	m.plan.Address = m.known.Address
	return nil
}

// is tells whether the entry is about the machine: all that it names is the
// machine's.
func (k *Known) is(inv *Inventory) bool {
	return (k.MAC == "" || containsFold(inv.macs(), k.MAC)) &&
		(k.Machine == "" || strings.EqualFold(k.Machine, inv.Machine)) &&
		(k.Serial == "" || strings.EqualFold(k.Serial, inv.Serial))
}

// String says which machine is meant.
func (k *Known) String() string {
	var words []string
	for _, w := range []struct{ key, value string }{{"MAC", k.MAC}, {"UUID", k.Machine}, {"serial", k.Serial}, {"name", k.Name}} {
		if w.value != "" {
			words = append(words, w.key+" "+w.value)
		}
	}
	return strings.Join(words, ", ")
}

// role finds the rule that holds and what it makes of the machine.
func (m *maker) role() error {
	if err := m.findRule(); err != nil {
		return err
	}
	if m.o.Local && !slices.Contains(m.rule.Roles, spec.RoleController) {
		return refuse("Give the rule the role controller, or boot this machine from the network",
			"the first machine of a rack has to be a controller, and rule %q gives this one %v", m.rule.Name, m.rule.Roles)
	}
	m.plan.Rule, m.plan.Roles = m.rule.Name, m.rule.Roles
	return nil
}

// encryption tells who will open the data partition.
func (m *maker) encryption() error {
	has := m.inv.TPM == "2.0"
	switch want := m.rule.Crypt; {
	case want == CryptTPM && !has:
		return refuse("Switch a TPM 2.0 on in the firmware's setup, or set encrypt: auto or deployer in that rule",
			"rule %q encrypts with the TPM, and the machine has %s", m.rule.Name, tpmWords(m.inv.TPM))
	case (want == CryptTPM || want == CryptAuto) && has:
		m.plan.Encrypt = CryptTPM
	case (want == CryptDeployer || want == CryptAuto) && m.o.Local:
		return refuse("Set encrypt: tpm in a rule for this machine if it has a TPM 2.0, or encrypt: none",
			"rule %q encrypts with a key of the deployer, which this machine will be itself: nobody could give it the key (it has %s)",
			m.rule.Name, tpmWords(m.inv.TPM))
	case want == CryptDeployer || want == CryptAuto:
		m.plan.Encrypt = CryptDeployer
	}
	return nil
}

func tpmWords(version string) string {
	if version == "" {
		return "no TPM"
	}
	return "a TPM " + version
}

func (m *maker) name() error {
	name, err := m.hostName()
	m.plan.HostName = name
	return err
}

// warn notes what a person should know and does not stop the plan.
func (m *maker) warn(format string, args ...any) {
	m.plan.Warn = append(m.plan.Warn, fmt.Sprintf(format, args...))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// gib says a size in bytes as people do.
func gib(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
