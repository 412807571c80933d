// Package lab is the virtual rack: powered-off machines, a switch with VLANs
// and an ISO on one side, a cloud with running servers on the other.
//
// [Command] is `cairn rack`. `up` writes rack.yaml, starts a supervisor in the
// background that owns the switch and the machines, powers on the controller
// from the ISO and the computes from the network, and then uses the cloud as
// a stranger would (package trial). The rack stays up until `down`. `status`,
// `console` and `ssh` look at it, `fault` and `capture` make trouble and watch.
//
// Its machines are alike, or as package shape describes them: then what becomes
// of each is compared with what should.
//
// The lab drives Cairn from outside: it knows its consoles, its APIs and its
// files, and imports none of its packages.
package lab
