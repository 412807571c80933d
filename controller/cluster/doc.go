// Package cluster knows the nodes of this appliance and what state they are
// in. It is no OpenStack API.
//
// The deployer registers a node when it has enrolled (PUT on the node-facing
// port). The service then gives it an account and a queue at the broker, and
// follows its heartbeats:
//
//	registered -- first heartbeat, all checks good --> ready
//	ready -- a check fails --> unready -- all good --> ready
//	ready, unready -- no heartbeat for DownAfter --> down -- heartbeat --> ...
//
// States are not stored: they follow from the last heartbeat and the clock.
package cluster
