package wizard

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// answers are what a person has decided so far. Empty words are defaults.
type answers struct {
	cards              []string // MACs that carry the management network, in the order of the machine
	bond               string
	vlan               string
	network            string
	controller         string
	rangeFrom, rangeTo string

	external string // MAC; empty: none
	dhcp     bool
	address  string
	gateway  string

	disks []string // paths; two are a mirror

	name, host string
	serves     bool // the machine runs servers too
	keys       []string
	typedKey   string
	url        string

	net      netAnswers
	deployer string
	reach    string
	code     string
}

// netAnswers are about the network that the installer itself uses.
type netAnswers struct {
	cards   []string
	bond    string
	vlan    string
	dhcp    bool
	address string
	gateway string
	dns     string
}

const firstBond = "active-backup"

// firstAnswers are what is most likely meant.
func firstAnswers(inv plan.Inventory) answers {
	a := answers{bond: firstBond, dhcp: true, net: netAnswers{bond: firstBond, dhcp: true}}
	if i := slices.IndexFunc(inv.NICs, func(n plan.NIC) bool { return n.Link }); i >= 0 {
		a.cards = []string{inv.NICs[i].MAC}
	} else if len(inv.NICs) > 0 {
		a.cards = []string{inv.NICs[0].MAC}
	}
	a.net.cards = slices.Clone(a.cards)
	if d := installable(inv); len(d) == 1 {
		a.disks = []string{d[0].Path}
	}
	return a
}

// installable are the disks that a person may choose.
func installable(inv plan.Inventory) []plan.Disk {
	return slices.DeleteFunc(slices.Clone(inv.Disks), func(d plan.Disk) bool {
		return d.Medium || d.ReadOnly || d.Size < plan.MinDiskGiB<<30
	})
}

// flip puts a value into a list or takes it out. The list keeps the order of
// all.
func flip(list []string, value string, all []string) []string {
	var out []string
	for _, v := range all {
		if slices.Contains(list, v) != (v == value) {
			out = append(out, v)
		}
	}
	return out
}

// A fault is one thing that is wrong, at a field of rack.yaml.
type fault struct{ field, text string }

// faultsOf takes apart what [plan.ParseRack] reports.
func faultsOf(err error) []fault {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []fault
		for _, e := range many.Unwrap() {
			out = append(out, faultsOf(e)...)
		}
		return out
	}
	var one *plan.RackError
	if errors.As(err, &one) {
		return []fault{{one.Field, fmt.Sprintf("%s is %s; allowed: %s", one.Field, one.Value, one.Allowed)}}
	}
	return []fault{{"", err.Error()}}
}

func faultText(all []fault) string {
	var words []string
	for _, f := range all {
		words = append(words, f.text)
	}
	return strings.Join(words, "\n")
}
