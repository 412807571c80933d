// Package cloud holds the words that every service shares: ids, who calls,
// what went wrong, and the time.
//
// It imports the standard library only, and anybody in the controller may
// import it.
package cloud
