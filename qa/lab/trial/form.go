package trial

import (
	"fmt"
	"slices"
	"strings"
)

// A Form says what the servers of a trial are.
type Form string

// The forms: where guests have to be emulated, each of them costs minutes, so
// that there is one; where they run under KVM all are.
const (
	OneQEMU Form = "one QEMU guest and three containers"
	AllQEMU Form = "four QEMU guests"
)

// What may be wished for.
const (
	WishAuto = "auto" // what the hosts can do
	WishQEMU = "qemu" // AllQEMU, however long it takes
)

// Choose picks the form, and says why.
func Choose(hosts []Hypervisor, wish string) (Form, string) {
	if wish == WishQEMU {
		return AllQEMU, "as wished"
	}
	slow := slices.IndexFunc(hosts, func(h Hypervisor) bool { return h.Accel != "kvm" })
	if slow >= 0 {
		return OneQEMU, fmt.Sprintf("QEMU on %s uses %s: %s", hosts[slow].Host, strings.ToUpper(hosts[slow].Accel), hosts[slow].Reason)
	}
	if len(hosts) == 0 {
		return OneQEMU, "no host says how QEMU runs guests"
	}
	return AllQEMU, "QEMU uses KVM on all hosts: " + hosts[0].Reason
}

// names are those of the servers.
func (f Form) names() [serverCount]string {
	if f == AllQEMU {
		return [...]string{first: "qemu-1", left: "qemu-2", right: "qemu-3", stranger: "qemu-4"}
	}
	return [...]string{first: "qemu-1", left: "lxc-1", right: "lxc-2", stranger: "lxc-3"}
}

// image is the name of the image of all servers but the first.
func (f Form) image() string {
	if f == AllQEMU {
		return imageQEMU
	}
	return imageLXC
}
