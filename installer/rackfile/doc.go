// Package rackfile is the text of rack.yaml before it is parsed: how it is
// sealed into an installation medium, fetched from a server that is pinned,
// and made to fit one machine by substitutions.
//
// It works on any system: a laptop seals an ISO, the installer opens it. It
// may import installer/plan.
package rackfile
