// Package fabric finds out what the switches between machines let through,
// before any disk is touched: which VLANs, how large a frame, and whether
// frames come out with another tag than they went in with. It also asks
// whether somebody else has the machine's address (RFC 5227).
//
// Everybody in a round sends probes from its trunk and notes whose it hears.
// Some nodes that run take part as well, so that a machine that comes late is
// compared with the rack and not with itself alone; their agents start
// [Command] for it.
// Probes are multicast Ethernet frames with the type for local experiments
// (IEEE 802, 0x88b5): no host takes them for traffic. What follows from the
// reports of all is for the deployer to say.
//
// Linux only, and as root. It may import installer/plan.
package fabric
