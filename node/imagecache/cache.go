// Package imagecache keeps images on a host under the digest of their bytes.
// An image comes from the controller over mutual TLS, is resumed after a cut,
// and gets its name only when its digest is right: what has a name has been
// checked.
package imagecache

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/cairn-cloud/cairn/node/host"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Options say where images come from and go to.
type Options struct {
	Dir    string   // made if absent
	Base   *url.URL // of the controller; /v1/images/<id> is below it
	Client *http.Client
	Log    *slog.Logger
}

// A Cache is the images of one host. It may be used by many at once.
type Cache struct {
	options Options
	flight  singleflight.Group
}

// New returns the cache in a directory.
func New(o Options) (*Cache, error) {
	if err := os.MkdirAll(o.Dir, 0o711); err != nil {
		return nil, fmt.Errorf("image cache: %w", err)
	}
	return &Cache{options: o}, nil
}

var (
	digest  = regexp.MustCompile(`^[0-9a-f]{128}$`)
	imageID = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]{0,63}$`)
)

// ErrImage is in the chain of an error that lies in the image: to fetch it
// again does not help.
var ErrImage = errors.New("the image cannot be used")

// Path is where an image is or will be.
func (c *Cache) Path(i spec.Image) string { return filepath.Join(c.options.Dir, i.SHA512) }

// Fetch makes sure that the image is here and returns its path. The file must
// not be changed.
func (c *Cache) Fetch(ctx context.Context, i spec.Image) (string, error) {
	switch {
	case !digest.MatchString(i.SHA512):
		return "", fmt.Errorf("%w: sha512 is %q; allowed: 128 lower-case hexadecimal digits", ErrImage, i.SHA512)
	case !imageID.MatchString(i.ID):
		return "", fmt.Errorf("%w: id is %q; allowed: a UUID", ErrImage, i.ID)
	}
	path := c.Path(i)
	if _, err := os.Stat(path); err == nil {
		return path, os.Chtimes(path, time.Time{}, time.Now())
	}
	// The first caller fetches for all; one that cannot wait leaves.
	done := c.flight.DoChan(i.SHA512, func() (any, error) {
		return nil, c.download(context.WithoutCancel(ctx), i, path)
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return "", fmt.Errorf("image %s: %w", i.ID, r.Err)
		}
		return path, nil
	case <-ctx.Done():
		return "", fmt.Errorf("image %s: %w", i.ID, context.Cause(ctx))
	}
}

// Attempts of one download: each goes on where the last was cut off.
const (
	attempts = 5
	between  = 500 * time.Millisecond // doubled each time
)

// partSuffix is that of an image that is not all there.
const partSuffix = ".part"

// download fetches into a part and gives it its name when it is right.
func (c *Cache) download(ctx context.Context, i spec.Image, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil // another caller was faster
	}
	part := path + partSuffix
	var err error
	for n := range attempts {
		if err = c.attempt(ctx, i, part); err == nil || errors.Is(err, ErrImage) {
			break
		}
		c.options.Log.Warn("an image was cut off", "image", i.ID, "attempt", n+1, "error", err)
		time.Sleep(between << n)
	}
	if err != nil {
		return err
	}
	if err := verify(i, part); err != nil {
		return errors.Join(err, os.Remove(part)) // the next round begins anew
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return host.SyncDir(c.options.Dir)
}

// attempt appends to part what is missing.
func (c *Cache) attempt(ctx context.Context, i spec.Image, part string) (err error) {
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o444)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if i.Size > 0 && have > i.Size {
		if err := f.Truncate(0); err != nil {
			return err
		}
		have = 0
	}
	if i.Size > 0 && have == i.Size {
		return f.Sync()
	}
	resp, err := c.get(ctx, i, have)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK && have > 0: // it cannot resume
		if err := f.Truncate(0); err != nil {
			return err
		}
		have = 0
	case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusPartialContent:
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return f.Sync() // all was there; the digest tells
	case resp.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: the controller does not have it", ErrImage)
	default:
		return fmt.Errorf("the controller says %s", resp.Status)
	}
	in := io.Reader(resp.Body)
	if i.Size > 0 {
		in = io.LimitReader(in, i.Size-have+1) // one more than there may be
	}
	if _, err := io.Copy(f, in); err != nil {
		return err
	}
	return f.Sync()
}

func (c *Cache) get(ctx context.Context, i spec.Image, from int64) (*http.Response, error) {
	u := c.options.Base.JoinPath("v1", "images", i.ID)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	return c.options.Client.Do(req)
}

// verify compares size and digest of what was fetched.
func verify(i spec.Image, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha512.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	if i.Size > 0 && n != i.Size {
		return fmt.Errorf("fetched %d bytes; wanted %d", n, i.Size)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != i.SHA512 {
		return fmt.Errorf("its sha512 is %s; wanted %s", got, i.SHA512)
	}
	return nil
}
