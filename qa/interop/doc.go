// Package interop holds the cloud against suites that we did not write: it
// runs OpenStack's Tempest, as Debian packages it, against the cloud of
// `make cloud`.
//
// It is tests alone. What does not pass stands in testdata, a file for each
// part of the suite, with the reason.
package interop
