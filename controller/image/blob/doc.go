// Package blob keeps the data of images: a store has whole objects, each named
// by the id of its image, that never change.
//
// File is a directory. Both sides of the interface are held to one suite
// (conform_test.go). It imports cloud only.
package blob
