// Package arch holds the architecture of this repository as data and checks
// the tree against it: who may import whom, which modules of others we use and
// why, how folders are named, and that links in guides lead somewhere.
//
// The rules are in table.go and modules.go; each carries its reason. The
// checks read files and the output of one `go list`; they are run by the tests
// of this package. Nothing imports it, and it imports nothing of ours.
package arch
