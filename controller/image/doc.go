// Package image is Glance's API v2: what servers boot from.
//
// An image is a row and, once it is active, a file that never changes:
//
//	queued --PUT file--> saving --all of it, and it is what it says--> active
//	   ^--------------- anything else ---------------|
//
// What is uploaded is looked at before it is kept (package format): no image
// may name a file of the host that opens it. Files are named by image id and
// appear whole or not at all; what a killed upload left goes at the next
// start.
//
// The tree of a container is an image with disk_format raw and the property
// img_hv_type=lxc: a tar.zst.
package image
