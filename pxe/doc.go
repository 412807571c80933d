// Package pxe is the deployer: it boots the machines of a rack from the
// network, decides what they become, and enrols them.
//
// [Command] is `cairn deploy`. It joins the parts: dhcp gives addresses and
// names the boot loader, tftp hands it out, httpboot serves scripts (menu),
// the release and the API, fleet keeps the machines and decides. The same
// program runs on an installed controller, from /etc/cairn/deploy.json, and on
// a laptop, from flags; there it founds a CA of its own in its state directory
// and registers nodes with nobody.
//
// It may import installer/plan, node/spec, hardening and image-builder/manifest
// of ours.
package pxe
