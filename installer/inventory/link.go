package inventory

import (
	"encoding/binary"
	"strings"
	"syscall"
)

// iflaMaxMTU is the attribute of a link that says how large its packets can
// be (include/uapi/linux/if_link.h). /sys does not have it.
const iflaMaxMTU = 51

// maxMTUs asks the kernel for the largest MTU of every card, in bytes.
func maxMTUs() map[string]int {
	raw, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil
	}
	messages, err := syscall.ParseNetlinkMessage(raw)
	if err != nil {
		return nil
	}
	out := map[string]int{}
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWLINK {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			continue
		}
		if name, mtu := maxMTU(attrs); mtu > 0 {
			out[name] = mtu
		}
	}
	return out
}

// maxMTU reads one link's attributes. Drivers that set no limit have 0, or
// one that no wire has.
func maxMTU(attrs []syscall.NetlinkRouteAttr) (name string, mtu int) {
	for _, a := range attrs {
		switch {
		case a.Attr.Type == syscall.IFLA_IFNAME:
			name = strings.TrimRight(string(a.Value), "\x00")
		case a.Attr.Type == iflaMaxMTU && len(a.Value) == 4:
			mtu = int(binary.NativeEndian.Uint32(a.Value))
		}
	}
	return name, min(mtu, 65535)
}
