// Package fleet keeps what a deployer knows of the machines of its rack, and
// decides what each may do next.
//
// A machine goes through these states; every change is on disk before anybody
// is told of it, and saying the same thing twice changes nothing:
//
//	seen -> booting -> inventoried -> matched -> checked -> installing -> enrolled -> ready
//
// and from each of them to failed, with a reason. A machine that boots again
// before it is enrolled starts anew at booting. Once it has enrolled only an
// operator can send it back, by [Fleet.Reinstall].
//
// What wipes a disk is a boot ticket: signed, for one machine, valid for one
// boot, used up by enrolment. A machine that is installed gets none, and one
// that failed to install several times in a row gets no more until an operator
// asks for it. So no loop of reboots can wipe anything.
//
// The package may be used by pxe and its other packages. It imports node/spec,
// installer/plan and image-builder/manifest of ours.
package fleet
