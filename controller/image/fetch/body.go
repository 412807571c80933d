package fetch

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A Body is a download under way.
type Body struct {
	Size int64 // bytes; -1: the server has not said

	ctx      context.Context //nolint:containedctx // of this one request, as in net/http
	cancel   context.CancelFunc
	body     io.ReadCloser
	timer    *time.Timer // ends the download when nothing comes
	patience time.Duration
	left     int64 // bytes that may still come
	max      int64
	got      int64
}

// Read reads on. It fails when more comes than may, when nothing comes for too
// long, and when less came than was said.
func (b *Body) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.timer.Reset(b.patience)
	b.got += int64(n)
	if b.left -= int64(n); b.left < 0 {
		return 0, cloud.Errorf(cloud.KindTooLarge, "The download has more than the %d bytes that are allowed.", b.max)
	}
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return n, err
	case b.ctx.Err() != nil:
		return n, cloud.BadRequest("The download took too long, or nothing came for %v.", b.patience).Because(err)
	default:
		return n, cloud.BadRequest("The download broke off after %d bytes.", b.got).Because(err)
	}
}

// Close ends the download.
func (b *Body) Close() error {
	b.timer.Stop()
	b.cancel()
	return b.body.Close()
}
