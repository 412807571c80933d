package plan

import (
	"net"
	"strings"
)

// A Form is what a text has to look like.
type Form struct {
	Pattern string // regular expression, in what RE2 and ECMA 262 have in common; empty: anything
	Like    string // the same for people: "a MAC address like 52:54:00:12:34:56"
}

// Pieces of patterns. Octets have no leading zeros, as netip wants it.
const (
	octet = `(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
	ipv4  = octet + `(\.` + octet + `){3}`
	ipv6  = `[0-9A-Fa-f]*:[0-9A-Fa-f:]*(` + ipv4 + `)?`
	hex2  = `[0-9A-Fa-f]{2}`
	mac6  = hex2 + `(:` + hex2 + `){5}|` + hex2 + `(-` + hex2 + `){5}|[0-9A-Fa-f]{4}(\.[0-9A-Fa-f]{4}){2}`
	label = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
	// part is a piece of a host name's pattern: a letter, or a field of the
	// inventory in braces.
	part = `([a-z0-9-]|\{[a-z0-9_]+(\.[a-z0-9_]+)*\})`
)

func formAddress() Form { return Form{`^` + ipv4 + `$`, "an IPv4 address like 10.20.0.11"} }

func formNetwork() Form {
	return Form{`^` + ipv4 + `/([89]|[12][0-9])$`, "an IPv4 network from /8 to /29 like 10.20.0.0/24"}
}

func formAnyAddress() Form {
	return Form{`^(` + ipv4 + `|` + ipv6 + `)$`, "an address like 203.0.113.1 or 2001:db8::1"}
}

func formAnyNetwork() Form {
	return Form{`^(` + ipv4 + `/([0-9]|[12][0-9]|3[0-2])|` + ipv6 + `/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$`,
		"an address with its prefix length like 203.0.113.5/24 or 2001:db8::5/64"}
}

func formMAC() Form { return Form{`^(` + mac6 + `)$`, "a MAC address like 52:54:00:12:34:56"} }

func formName() Form {
	return Form{`^` + label + `$`, "lower case letters, digits and hyphens, at most 63, no hyphen at either end"}
}

func formLine() Form { return Form{`^[^\r\n]{1,63}$`, "text of 1 to 63 characters on one line"} }

func formHost() Form {
	return Form{`^([a-z0-9]|\{[a-z0-9_]+(\.[a-z0-9_]+)*\})` + part + `*(%d)?` + part + `*$`,
		"a host name in lower case with at most one %d and fields of the inventory in braces, like compute%d or {nics.lldp.switch}-{nics.lldp.port}"}
}

func formKey() Form {
	return Form{`^[a-z0-9.@]+-[a-z0-9.@-]+[ \t]+[A-Za-z0-9+/]+={0,3}([ \t][^\r\n]*)?$`,
		"a public key line like ssh-ed25519 AAAA... you@host"}
}

func formAPIName() Form {
	return Form{`^([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|` + ipv6 + `)$`, "a DNS name or an address"}
}

func formFile() Form { return Form{`^/[^\r\n]+$`, "an absolute path like /var/lib/cairn/bmc/password"} }

func formFingerprint() Form {
	return Form{`^sha256:[0-9A-Fa-f]{64}$`, "sha256: and 64 hex digits, the digest of a certificate's DER"}
}

func formHostPort() Form {
	return Form{`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?|\[` + ipv6 + `\](:[0-9]{1,5})?|` + ipv6 + `)$`,
		"a host or an address, with a port or without, like 10.20.0.201 or bmc7:443"}
}

// plainMAC is a MAC address as inventories have it: lower case, colons. What
// is none stays as it is.
func plainMAC(s string) string {
	if hw, err := net.ParseMAC(s); err == nil && len(hw) == 6 {
		return hw.String()
	}
	return strings.ToLower(s)
}
