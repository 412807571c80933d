// Package hardening decides how a machine of the cluster is configured, and
// tells whether it still is.
//
// A [Control] is one rule with its reason and its source. Its Apply renders
// the files of /etc that hold the rule, its Check looks at a live machine.
// [Controls] lists those of a node, [Apply] renders all of /etc in the
// initramfs before systemd starts, and [Audit] runs the checks. /etc is a pure
// function of the node, the image and the secrets on the data partition.
//
// The configurations of MariaDB and RabbitMQ are generated here too, the same
// for the image and for package private, which runs both for tests and for a
// cloud on a developer's machine.
//
// Apply needs no program, only files: it may run where nothing else does. The
// package imports its own sub-package pki and nothing else of ours.
package hardening
