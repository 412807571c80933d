// Package person is somebody at the serial line of a machine: it knows what
// the screen of their terminal shows, and types.
//
// For tests of what machines ask people. It imports nothing of ours; a
// machine's console is any connection.
package person
