// Package spec is the contract between the controller and a node: plain
// structs, no behaviour beyond checking themselves.
//
// Two documents cross that border. A [Node] is the node manifest: who this
// machine is, written once by the installer and read at every boot. A
// [Desired] says what one guest on a host has to be; it carries everything
// about that guest and a generation, so it may arrive twice, late or out of
// order. A [Report] answers with the generation that it speaks of.
//
// The package imports the standard library only, and anybody may import it.
package spec
