// Package trial uses a cloud as a stranger would, over its public APIs alone:
// it uploads guest images, makes projects, networks and servers, and reads on
// the servers' consoles whether they got what they were promised and nothing
// else.
//
// It is made of parts that are tried again and again until they come true, so
// that whoever drives it can watch the machines meanwhile. It needs the guest
// images of image-builder, whose console lines it knows, and imports nothing
// of ours.
package trial
