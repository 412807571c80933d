package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A Pace is how slowly a stream may go: so many bytes within each window. A
// body or an answer that is slower is cut, so that nobody holds what serves it
// with a byte now and then.
type Pace struct {
	Bytes  int64
	Window time.Duration
}

// defaultPace is about 1 KiB/s.
var defaultPace = Pace{Bytes: 64 << 10, Window: time.Minute}

// A pacedBody is a body that has to come at a pace.
type pacedBody struct {
	io.ReadCloser
	pace Pace
	http *http.ResponseController
	left int64 // of the window's bytes
}

// Read reads; what comes too slowly is a timeout.
func (b *pacedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.left = b.pace.Bytes
		_ = b.http.SetReadDeadline(time.Now().Add(b.pace.Window)) // writers that know no deadline (tests) have no slow clients
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, cloud.Errorf(cloud.KindTimeout, "The body comes too slowly: %d bytes have to come within %s.", b.pace.Bytes, b.pace.Window).Because(err)
	case errors.Is(err, io.EOF):
		_ = b.http.SetReadDeadline(time.Time{}) // what is made of the body takes its time
	}
	return n, err
}

// A pacedWriter is an answer that has to be taken at a pace.
type pacedWriter struct {
	http.ResponseWriter
	pace Pace
	http *http.ResponseController
	left int64
}

// Write writes, a window's bytes at a time.
func (w *pacedWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		if w.left <= 0 {
			w.left = w.pace.Bytes
			_ = w.http.SetWriteDeadline(time.Now().Add(w.pace.Window)) // as above
		}
		var some int
		some, err = w.ResponseWriter.Write(p[:min(int64(len(p)), w.left)])
		n, w.left, p = n+some, w.left-int64(some), p[some:]
	}
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// stream puts a pace to a request and its answer.
func (b *bound) stream(c *Call) {
	control := http.NewResponseController(c.w)
	c.r.Body = &pacedBody{ReadCloser: c.r.Body, pace: b.pace, http: control}
	c.w = &pacedWriter{ResponseWriter: c.w, pace: b.pace, http: control}
}
