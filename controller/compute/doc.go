// Package compute is the compute service: flavors, keypairs and servers, as
// Nova's API v2.1 has them.
//
// A server is a row that says what it should be (intent and generation), what
// it was last seen to be (vm_state) and what is under way (task_state):
//
//	create -> building/scheduling -> building/networking -> building/spawning
//	                                                              | running
//	      stopped <- powering-off -- active <---------------------+
//	         +--- powering-on ------> active -- rebooting -> active
//	any -- delete --> deleting -- gone --> releasing -> no row
//
// Scheduling, networking and releasing are the controller's own steps: each
// is idempotent, and after a crash they go on from the rows. Every other task
// waits for the host. Each change of intent writes the row, its new generation
// and an outbox record in one transaction; the dispatcher assembles the whole
// desired state from the rows as they are then and publishes it. A report
// changes a row only where it speaks of the row's generation.
//
// What compute needs of images, networks and hosts is in needs.go.
package compute
