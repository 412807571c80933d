// Package seal writes a rack.yaml into a finished installation medium, so
// that it installs machines unattended: into the image, or on the stick or
// disc image that it was written to. The medium is changed in place, in an
// area that it keeps for this.
//
// It needs no tools and works on any system. It may import installer/rackfile
// and installer/plan.
package seal
