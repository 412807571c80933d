// Package host does the small things that a program does to the machine it
// runs on: write a file so that a power cut leaves the old or the new one,
// and run another program without losing what it said.
//
// It is a leaf: it imports nothing of ours, and everybody below the services
// may import it.
package host
