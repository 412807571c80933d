package blob

import (
	"context"
	"io"
	"time"
)

// A Store keeps objects by the ids of images, which are UUIDs.
type Store interface {
	// Put keeps the content of a file, whole or not at all; the file stays.
	// It may come twice. progress, which may be nil, is told how many bytes
	// are on their way.
	Put(ctx context.Context, id, path string, progress func(int64)) error
	// Open opens an object; one that is not there is fs.ErrNotExist.
	Open(ctx context.Context, id string) (io.ReadSeekCloser, error)
	// Remove removes an object, if it is there.
	Remove(ctx context.Context, id string) error
	// List gives the ids of all objects. Old ones are those from before a
	// time: whoever removes what nobody knows must leave alone what is young.
	List(ctx context.Context, before time.Time) ([]string, error)
	// Local tells whether objects are on a disk of this machine.
	Local() bool
}

// counted tells how much was read.
type counted struct {
	io.Reader
	n    int64
	tell func(int64)
}

// Read reads on.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	if c.n += int64(n); c.tell != nil {
		c.tell(c.n)
	}
	return n, err
}
