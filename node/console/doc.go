// Package console keeps what guests say on their consoles: bounded files on
// the host, and the end of them on demand.
package console
