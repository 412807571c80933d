package image

import (
	"bytes"
	"context"
	"crypto/md5" // Glance's checksum; sha512 is what is relied on
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/cairn-cloud/cairn/controller/image/format"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// upload answers PUT /images/{id}/file.
func (s *Service) upload(ctx context.Context, c *api.Call, img *Image) (any, error) {
	kind, _, err := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	switch {
	case err != nil || kind != "application/octet-stream":
		return nil, cloud.Errorf(cloud.KindUnsupportedMedia, "The Content-Type must be application/octet-stream.")
	case img.DiskFormat == nil || img.ContainerFormat == nil:
		return nil, cloud.BadRequest("disk_format and container_format must be set before data is uploaded.")
	case c.Request().ContentLength > s.maxSize:
		return nil, s.tooLarge()
	}
	n, err := s.images.Change(ctx, store.Set{"status": statusSaving}, store.Eq("id", img.ID), store.Eq("status", statusQueued))
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, cloud.Conflict("Image %s is %s, so no data can be uploaded.", img.ID, img.Status)
	}
	if err := s.save(ctx, c, img); err != nil {
		return nil, errors.Join(err, s.requeue(ctx, img.ID))
	}
	return nil, c.Empty(http.StatusNoContent)
}

func (s *Service) tooLarge() error {
	return cloud.Errorf(cloud.KindTooLarge, "The image is larger than the limit of %d bytes.", s.maxSize)
}

// requeue gives up an upload, whether the client still waits or not.
func (s *Service) requeue(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := s.images.Change(ctx, store.Set{"status": statusQueued}, store.Eq("id", id), store.Eq("status", statusSaving))
	return err
}

// save reads the data, and makes the image active when all of it is safe.
func (s *Service) save(ctx context.Context, c *api.Call, img *Image) error {
	body := &patient{r: c.Request().Body, control: http.NewResponseController(c.Writer())}
	head := make([]byte, format.HeadSize)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) || body.failed != nil {
		return cloud.BadRequest("The data ended too early.").Because(errors.Join(err, body.failed))
	}
	virtual, err := format.Check(declared(img), head[:n])
	if err != nil {
		body.drain()
		return err
	}
	md, sha := md5.New(), sha512.New() // see above
	data := io.LimitReader(io.MultiReader(bytes.NewReader(head[:n]), body), s.maxSize+1)
	size, err := s.files.put(img.ID, io.TeeReader(data, io.MultiWriter(md, sha)), func(size int64) error {
		if size > s.maxSize {
			return s.tooLarge()
		}
		return nil
	})
	if body.failed != nil {
		err = cloud.BadRequest("The data ended too early.").Because(body.failed)
	}
	if err != nil {
		return err
	}
	if virtual == 0 {
		virtual = size
	}
	return s.activate(ctx, img.ID, store.Set{
		"status": statusActive, "size": size, "virtual_size": virtual, "updated_at": s.clock(), "checksum": hex.EncodeToString(md.Sum(nil)),
		"os_hash_algo": "sha512", "os_hash_value": hex.EncodeToString(sha.Sum(nil)),
	})
}

// activate makes an image active whose file is there; if it was deleted
// meanwhile, its file goes too.
func (s *Service) activate(ctx context.Context, id string, set store.Set) error {
	n, err := s.images.Change(ctx, set, store.Eq("id", id), store.Eq("status", statusSaving))
	if err == nil && n == 0 {
		err = cloud.Errorf(cloud.KindGone, "Image %s was deleted while its data was uploaded.", id)
	}
	if err != nil {
		return errors.Join(err, s.files.remove(id))
	}
	return nil
}

// declared is the format that the data must have.
func declared(img *Image) string {
	if *img.DiskFormat == "raw" && img.Properties["img_hv_type"] == "lxc" {
		return "tree"
	}
	return *img.DiskFormat
}

// patience is how long an upload may stand still.
const patience = time.Minute

// A patient reader moves the deadline of a connection on with every read, and
// remembers the client's failure.
type patient struct {
	r       io.Reader
	control *http.ResponseController
	failed  error
}

// Read reads on.
func (p *patient) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(patience)) // writers of tests know no deadlines
	n, err := p.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		p.failed = err
	}
	return n, err
}

// maxDrain is how much of refused data is read to its end.
const maxDrain = 1 << 30

// drain reads what the client still sends: most clients do not look at an
// answer before they have sent all, and would tell their user of a broken
// connection instead of the reason.
func (p *patient) drain() {
	_, _ = io.Copy(io.Discard, io.LimitReader(p, maxDrain)) // the refusal is what counts
}

// download answers GET /images/{id}/file.
func (s *Service) download(_ context.Context, c *api.Call, img *Image) (any, error) {
	switch img.Status {
	case statusActive:
		return nil, s.send(c.Writer(), c.Request(), img)
	case statusDeactivated:
		if c.Caller.IsAdmin {
			return nil, s.send(c.Writer(), c.Request(), img)
		}
		return nil, cloud.Forbidden("The requested image has been deactivated. Image data download is forbidden.")
	default:
		return nil, c.Empty(http.StatusNoContent)
	}
}

// send answers with the file, or with the range of it that is asked for.
func (s *Service) send(w http.ResponseWriter, r *http.Request, img *Image) (err error) {
	f, err := s.files.open(img.ID)
	if err != nil {
		return fmt.Errorf("file of image %s: %w", img.ID, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w.Header().Set("Content-Type", "application/octet-stream")
	if sum, err := hex.DecodeString(*img.Checksum); err == nil && r.Header.Get("Range") == "" {
		w.Header().Set("Content-Md5", hex.EncodeToString(sum))
		w.Header().Set("Digest", "md5="+base64.StdEncoding.EncodeToString(sum))
	}
	w.Header().Set("Etag", `"`+(*img.HashValue)[:32]+`"`)
	http.ServeContent(w, r, "", img.UpdatedAt, f)
	return nil
}
