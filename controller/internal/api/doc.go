// Package api turns descriptions of resources into OpenStack's HTTP: versions
// and microversions, envelopes, filters, sorting, paging, faults, policy,
// quotas, request ids and the access log.
//
// A service is a [Service] value whose list of resources is its table of
// contents; a resource is a [Resource] of the struct that goes over the wire.
// What a service's clients are used to beyond that is its [Dialect]: visible
// fields, never a question for a service's name in here. See
// controller/internal/README.md for how to write one.
//
// It imports policy, quota, store and cloud, and the services import it.
package api
