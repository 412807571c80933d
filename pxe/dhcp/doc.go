// Package dhcp answers the DHCPv4 packets of machines that boot from the
// network: BIOS ROMs, UEFI firmware, iPXE, and the installer that follows.
//
// [Responder] turns one packet into one answer or into a counted reason for
// none; it does no I/O beyond the [Pool], which keeps addresses by MAC. [Serve]
// joins it to one interface. [ServeRouterSolicitations] tells iPXE that there
// is no IPv6 router, for which it would otherwise wait half a minute.
//
// Anything else on the wire is not ours: a client that never asked to boot
// gets no address. Sources of the rules: RFC 2131 and 2132, RFC 4578 (client
// architectures), the PXE specification 2.1 (option 43), iPXE's dhcp.c (user
// class, option 175). The package imports nothing of ours.
package dhcp
