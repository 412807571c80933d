// Package dhcp answers the DHCPv4 packets of machines that boot from the
// network: BIOS ROMs, UEFI firmware, iPXE, and the installer that follows.
//
// [Responder] turns one packet into one answer or into a counted reason for
// none: as the server of a network and of those behind its relay agents, or as
// a proxy beside another server, which gives the addresses. [Pool] keeps the
// addresses of a network by MAC, and [Networks] those of all of them. [Listen]
// opens the sockets of one interface. [Asker] asks the wire whether an address
// is free, and [Detector] whether there is another server.
// [ServeRouterSolicitations] tells iPXE that there is no IPv6 router, for which
// it would otherwise wait half a minute.
//
// Anything else on the wire is not ours: a client that never asked to boot
// gets no address. Sources of the rules: RFC 2131 and 2132, RFC 3046 and 3527
// (relay agents), RFC 4578 (client architectures), RFC 5227 (ARP probes), the
// PXE specification 2.1 (option 43, proxyDHCP), iPXE's dhcp.c (user class,
// option 175). The package imports nothing of ours.
package dhcp
