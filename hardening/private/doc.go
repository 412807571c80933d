// Package private runs a MariaDB and a RabbitMQ of one's own: for tests, and
// for a whole cloud on a developer's machine.
//
// They are the real programs under the configuration of the system image: TLS
// only, accounts bound to certificates. Each has its own directory, port and
// run time files, takes what Debian 12 or 13 has installed, runs as root or as
// an ordinary user, and ends with the process that started it. Started again
// in the same directory it has its data again.
//
// Started by root the servers run as the accounts of their packages, unless a
// directory above theirs is closed to others: then as root.
//
// The package imports hardening and hardening/pki. Tests of any package and the
// command behind "make cloud" may import it.
package private
