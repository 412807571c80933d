package metadata

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// seedLength is how many random bytes a guest gets, in bytes.
const seedLength = 512

// seed is fresh randomness for a guest that has none.
func seed() []byte {
	b := make([]byte, seedLength)
	_, _ = rand.Read(b) // never fails: see crypto/rand
	return b
}

// ec2 returns a document in EC2's form, below a version.
func (g Guest) ec2(parts []string) ([]byte, string, bool) {
	switch {
	case len(parts) == 0:
		names := []string{"meta-data/"}
		if len(g.Metadata.UserData) > 0 {
			names = append(names, "user-data")
		}
		return list(names), kindText, true
	case parts[0] == "user-data" && len(parts) == 1:
		return g.Metadata.UserData, kindBytes, len(g.Metadata.UserData) > 0
	case parts[0] != "meta-data":
		return nil, "", false
	}
	name := strings.Join(parts[1:], "/")
	if name == "" {
		return list(g.ec2Names()), kindText, true
	}
	text, ok := g.ec2Value(name)
	return []byte(text), kindText, ok
}

// ec2Names lists meta-data. Names of directories end in a slash.
func (g Guest) ec2Names() []string {
	names := []string{
		"ami-id", "ami-launch-index", "ami-manifest-path", "hostname", "instance-action", "instance-id",
		"instance-type", "local-hostname", "local-ipv4", "placement/", "public-hostname", "public-ipv4", "reservation-id",
	}
	if len(g.Metadata.Keys) > 0 {
		names = append(names, "public-keys/")
	}
	return append(names, "security-groups")
}

// ec2Value returns one value of meta-data.
func (g Guest) ec2Value(name string) (string, bool) {
	m := g.Metadata
	keys := sorted(m.Keys)
	switch name {
	case "ami-id", "instance-type", "public-ipv4", "security-groups":
		return "", true // known to the controller alone
	case "ami-launch-index":
		return "0", true
	case "ami-manifest-path":
		return "FIXED", true // what Nova says
	case "instance-action":
		return "none", true
	case "instance-id", "reservation-id":
		return m.ServerID, true
	case "hostname", "local-hostname", "public-hostname":
		return m.HostName, true
	case "local-ipv4":
		return g.firstIPv4(), true
	case "placement":
		return "availability-zone", true
	case "placement/availability-zone":
		return m.AvailabilityZone, true
	case "public-keys":
		var names []string
		for i, k := range keys {
			names = append(names, fmt.Sprintf("%d=%s", i, k))
		}
		return strings.Join(names, "\n"), len(keys) > 0
	}
	for i, k := range keys {
		switch name {
		case fmt.Sprint("public-keys/", i):
			return "openssh-key", true
		case fmt.Sprint("public-keys/", i, "/openssh-key"):
			return m.Keys[k], true
		}
	}
	return "", false
}

func (g Guest) firstIPv4() string {
	for _, p := range g.Ports {
		for _, a := range p.Addresses {
			if a.Address.Is4() {
				return a.Address.String()
			}
		}
	}
	return ""
}
