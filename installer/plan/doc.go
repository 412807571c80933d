// Package plan decides what an installation will do to a machine, as a value
// that can be printed, refused and tested without a machine.
//
// [Rack] is rack.yaml, the one file that describes a rack; [Inventory] is
// what a machine consists of; [Make] joins the two into a [Plan] or refuses
// with a reason that names the remedy ([Refusal]). [Answer], [Progress] and
// [Enrolment] are what the installer and the deployer say to each other.
//
// The package does no I/O. It may import node/spec, nothing else of ours.
package plan
