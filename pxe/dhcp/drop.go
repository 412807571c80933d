package dhcp

// Drop is a reason for not answering.
type Drop string

// Every reason for not answering.
const (
	DropNone      Drop = ""
	DropMalformed Drop = "malformed"       // not DHCP, or cut short
	DropOwn       Drop = "not-a-request"   // an answer, or an unknown message
	DropMAC       Drop = "bad-mac"         // not the address of one Ethernet device
	DropRelay     Drop = "unknown-relay"   // by a relay agent of a network that rack.yaml does not name
	DropForeign   Drop = "foreign"         // never asked to boot
	DropArch      Drop = "architecture"    // firmware that we have no image for
	DropOther     Drop = "other-server"    // chose another server's offer
	DropExhausted Drop = "range-exhausted" // no address left
	DropConflict  Drop = "address-in-use"  // another device has the address
	DropProbing   Drop = "being-probed"    // the wire is being asked for its address; it gets its offer then
	DropState     Drop = "not-its-address" // gives up an address that it does not have
	DropStore     Drop = "store"           // the lease could not be kept
	DropBusy      Drop = "busy"            // more packets at once than we work on
	DropUnsent    Drop = "not-sent"        // the answer could not be sent
	DropSilent    Drop = "needs-no-answer" // RELEASE, DECLINE; for another server
)

// drop counts a reason and returns it.
func (r *Responder) drop(why Drop, c Client, detail string) Drop {
	switch {
	case why == DropSilent || why == DropProbing:
		r.conf.Count.Pass(string(why))
	case c.MAC == "":
		r.conf.Count.Refuse(string(why), detail)
	default:
		r.conf.Count.Refuse(string(why), c.MAC+" "+detail)
	}
	return why
}
