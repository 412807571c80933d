// Package image is Glance's API v2: what servers boot from.
//
// An image is a row and, once it is active, a file that never changes:
//
//	queued --PUT file--> saving --all of it, and it is what it says--> active
//	   ^--------------- anything else ---------------|                   ^
//	   |                                                                 |
//	queued --PUT stage--> uploading --POST import--> importing ----------+
//
// What is uploaded or staged is looked at before it is kept (package format):
// no image may name a file of the host that opens it. It waits in a file of
// this machine until a store has it (package blob: directories, S3); what a
// killed upload left goes at the next start, and what was staged waits for its
// import. An image may be in several stores, and is served from the nearest;
// of what is in none of this machine's, copies are kept where the configuration
// has a cache (package cache).
//
// An import is a task. One that is a second name for a file is done when its
// answer goes out; the others are carried out by Run, tell in their message
// how far they are, and go on after a restart. Tasks are kept for two days.
// web-download is off unless the configuration has it, and then fenced
// (package fetch); glance-download is refused, there is no other region. Where
// the configuration wants one format, an import converts disks to it, in a
// sandbox (package convert).
//
// Definitions of metadata (metadefs) are rows that dashboards read; nothing in
// the cloud depends on them. A namespace holds objects, properties, tags and
// associations with types of resources, each a name and a JSON body.
//
// The tree of a container is an image with disk_format raw and the property
// img_hv_type=lxc: a tar.zst.
package image
