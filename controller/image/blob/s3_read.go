package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// emptyHash is the sum of no body.
var emptyHash = hex.EncodeToString(sha256.New().Sum(nil))

// An object is one that is read. It asks for the bytes from where it is when
// it is read there, and again from there when the connection breaks.
type object struct {
	s    *S3
	ctx  context.Context //nolint:containedctx // of this one object, as in net/http
	path string
	tag  string // bytes of another object are none of this one's
	size int64
	at   int64

	body   io.ReadCloser // from at on; nil: not asked for
	timer  *time.Timer
	cancel context.CancelFunc
}

// Open opens an object.
func (s *S3) Open(ctx context.Context, id string) (io.ReadSeekCloser, error) {
	path, err := s.path(id)
	if err != nil {
		return nil, err
	}
	o := &object{s: s, ctx: ctx, path: path}
	return o, again(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		resp, err := s.do(ctx, http.MethodHead, path, nil, request{hash: emptyHash})
		if err != nil {
			return err
		}
		o.size, o.tag = resp.ContentLength, resp.Header.Get("ETag")
		return resp.Body.Close()
	})
}

// Read reads on.
func (o *object) Read(b []byte) (n int, err error) {
	if o.at >= o.size {
		return 0, io.EOF
	}
	err = again(o.ctx, func() (err error) {
		if o.body == nil {
			if err := o.get(); err != nil {
				return err
			}
		}
		n, err = o.body.Read(b)
		o.timer.Reset(patience)
		o.at += int64(n)
		if n > 0 || err == nil {
			return nil // an error comes again with the next read
		}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the object ends after %d of %d bytes: %w", o.at, o.size, io.ErrUnexpectedEOF)
		}
		return errors.Join(err, o.drop())
	})
	return n, err
}

// get asks for the bytes from here on.
func (o *object) get() error {
	ctx, cancel := context.WithCancel(o.ctx)
	timer := time.AfterFunc(patience, cancel)
	header := map[string]string{"Range": fmt.Sprintf("bytes=%d-", o.at), "If-Match": o.tag}
	resp, err := o.s.do(ctx, http.MethodGet, o.path, nil, request{hash: emptyHash, header: header}) //nolint:bodyclose // drop closes it
	if err != nil {
		timer.Stop()
		cancel()
		return err
	}
	o.body, o.timer, o.cancel = resp.Body, timer, cancel
	if resp.StatusCode != http.StatusPartialContent {
		return errors.Join(&s3Error{Status: resp.StatusCode, Message: "wanted: 206, a range"}, o.drop())
	}
	return nil
}

// drop ends the connection that bytes come from.
func (o *object) drop() error {
	if o.body == nil {
		return nil
	}
	o.timer.Stop()
	o.cancel()
	err := o.body.Close()
	o.body = nil
	return err
}

// Seek says where to read on.
func (o *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += o.at
	case io.SeekEnd:
		offset += o.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek to %d", offset)
	}
	if offset != o.at {
		if err := o.drop(); err != nil {
			return 0, err
		}
	}
	o.at = offset
	return offset, nil
}

// Close ends the reading.
func (o *object) Close() error { return o.drop() }
