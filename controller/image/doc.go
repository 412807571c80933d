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
// no image may name a file of the host that opens it. Files are named by image
// id and appear whole or not at all; what a killed upload left goes at the
// next start, and what was staged waits for its import. An import is a rename,
// done when its answer goes out; the task that tells of it is kept for two
// days. Nothing is downloaded for anybody: web-download and glance-download
// are refused.
//
// Definitions of metadata (metadefs) are rows that dashboards read; nothing in
// the cloud depends on them. A namespace holds objects, properties, tags and
// associations with types of resources, each a name and a JSON body.
//
// The tree of a container is an image with disk_format raw and the property
// img_hv_type=lxc: a tar.zst.
package image
