// Package agent is the daemon of a compute node: it makes the host match what
// the controller wants, and reports what is.
//
// Each guest has one loop. It compares the last wanted state, which is kept on
// disk before the message about it is acknowledged, with what the hypervisor
// has, and does the one thing that is missing; then it looks again. Every step
// may be done twice, so killing the agent at any point and starting it again
// ends in the same place. What runs is never touched when the agent stops.
//
//	message -> record on disk -> acknowledged
//	                |
//	    on:   disk -> network rules -> guest started -> NICs in their VLAN -> "running"
//	    off:  guest stopped -> "stopped"
//	    gone: guest -> network -> files -> tombstone -> "gone"
//
// A guest that stops by itself is reported and left alone until its wanted
// state changes; after a start of the machine all guests that have to run are
// started again.
package agent
