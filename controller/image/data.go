package image

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" // Glance's checksum; sha512 is what is relied on
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/controller/image/format"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// upload answers PUT /images/{id}/file.
func (s *Service) upload(ctx context.Context, c *api.Call, img *Image) (any, error) {
	if err := s.mayReceive(c, img); err != nil {
		return nil, err
	}
	if err := s.begin(ctx, img, statusSaving); err != nil {
		return nil, err
	}
	data, err := s.receive(c, img, placeFinal)
	if err == nil {
		err = s.activate(ctx, img.ID, data)
	}
	if err != nil {
		return nil, errors.Join(err, s.requeue(ctx, img.ID, statusSaving))
	}
	return nil, c.Empty(http.StatusNoContent)
}

// mayReceive sees that the image is ready for data, and the data for it.
func (s *Service) mayReceive(c *api.Call, img *Image) error {
	kind, _, err := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	wanted := c.Request().Header.Get("X-Image-Meta-Store")
	switch {
	case err != nil || kind != "application/octet-stream":
		return cloud.Errorf(cloud.KindUnsupportedMedia, "The Content-Type must be application/octet-stream.")
	case wanted != "" && wanted != storeID:
		return cloud.BadRequest("The store %.64q is unknown; allowed: %s.", wanted, storeID)
	case img.Format() == "":
		return cloud.BadRequest("disk_format and container_format must be set before data is uploaded.")
	case c.Request().ContentLength > s.maxSize:
		return s.tooLarge()
	default:
		return nil
	}
}

// begin takes a queued image for one upload.
func (s *Service) begin(ctx context.Context, img *Image, status string) error {
	n, err := s.images.Change(ctx, store.Set{"status": status}, store.Eq("id", img.ID), store.Eq("status", statusQueued))
	if err == nil && n == 0 {
		return cloud.Conflict("Image %s is %s, so no data can be uploaded.", img.ID, img.Status)
	}
	return err
}

func (s *Service) tooLarge() error {
	return cloud.Errorf(cloud.KindTooLarge, "The image is larger than the limit of %d bytes.", s.maxSize)
}

// requeue gives up an upload, whether the client still waits or not.
func (s *Service) requeue(ctx context.Context, id, from string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := s.images.Change(ctx, store.Set{"status": statusQueued}, store.Eq("id", id), store.Eq("status", from))
	return err
}

// Data is what is known of data that was received. All of it is an image's
// when it becomes active.
type Data struct {
	ImageID     string `db:"image_id,key"`
	Size        int64  `db:"size"`          // bytes of the file
	VirtualSize int64  `db:"virtual_size"`  // bytes of the disk
	Checksum    string `db:"checksum"`      // MD5, hex
	HashValue   string `db:"os_hash_value"` // SHA-512, hex
}

// receive reads the data into a file. It is there when it is safe and is what
// the image says that it is.
func (s *Service) receive(c *api.Call, img *Image, to place) (*Data, error) {
	body := &patient{r: c.Request().Body, control: http.NewResponseController(c.Writer())}
	head := make([]byte, format.HeadSize)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) || body.failed != nil {
		return nil, cloud.BadRequest("The data ended too early.").Because(errors.Join(err, body.failed))
	}
	d := &Data{ImageID: img.ID}
	if d.VirtualSize, err = format.Check(declared(img), head[:n]); err != nil {
		body.drain()
		return nil, err
	}
	sums := digests{md5.New(), sha512.New()} // see above
	data := io.LimitReader(io.MultiReader(bytes.NewReader(head[:n]), body), s.maxSize+1)
	err = s.files.put(img.ID, to, io.TeeReader(data, sums), func(file io.ReaderAt, size int64) error {
		if size > s.maxSize {
			return s.tooLarge()
		}
		virtual, err := format.Inspect(declared(img), file, size)
		d.Size = size
		d.VirtualSize = cmp.Or(d.VirtualSize, virtual, size)
		return err
	})
	if body.failed != nil {
		err = cloud.BadRequest("The data ended too early.").Because(body.failed)
	}
	d.Checksum, d.HashValue = hex.EncodeToString(sums.md5.Sum(nil)), hex.EncodeToString(sums.sha512.Sum(nil))
	return d, err
}

// digests make both sums of what is written to them, at the same time where
// there is enough of it.
type digests struct{ md5, sha512 hash.Hash }

// worthwhile is from how many bytes on a goroutine costs less than it saves.
const worthwhile = 16 << 10

// Write never fails.
func (d digests) Write(b []byte) (int, error) {
	if len(b) < worthwhile {
		_, _ = d.md5.Write(b) // a hash never fails
		return d.sha512.Write(b)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = d.md5.Write(b) }) // see above
	n, err := d.sha512.Write(b)
	wg.Wait()
	return n, err
}

// set is what of an image the data decides.
func (d *Data) set(now time.Time) store.Set {
	return store.Set{
		"status": statusActive, "size": d.Size, "virtual_size": d.VirtualSize, "updated_at": now, "checksum": d.Checksum,
		"os_hash_algo": "sha512", "os_hash_value": d.HashValue,
	}
}

// activate makes an image active whose file is there; if it was deleted
// meanwhile, its file goes too.
func (s *Service) activate(ctx context.Context, id string, d *Data) error {
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		now, err := s.images.In(tx).Lock(ctx, id)
		if cloud.IsNotFound(err) || err == nil && now.Status != statusSaving {
			return deletedMeanwhile(id)
		}
		if err != nil {
			return err
		}
		if err := s.quotas.Reserve(ctx, tx, now.Owner, quotaSize, mebibytes(d.Size)); err != nil {
			return err
		}
		_, err = s.images.In(tx).Change(ctx, d.set(s.clock()), store.Eq("id", id))
		return err
	})
	if err != nil {
		return errors.Join(err, s.files.remove(id))
	}
	return nil
}

// declared is the format that the data must have.
func declared(img *Image) string {
	if f := img.Format(); f != "raw" || img.Properties["img_hv_type"] != "lxc" {
		return f
	}
	return "tree"
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
	if err := rangeOf(r); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if sum, err := hex.DecodeString(*img.Checksum); err == nil && r.Header.Get("Range") == "" {
		w.Header().Set("Content-Md5", hex.EncodeToString(sum))
		w.Header().Set("Digest", "md5="+base64.StdEncoding.EncodeToString(sum))
	}
	w.Header().Set("Etag", `"`+(*img.HashValue)[:32]+`"`)
	http.ServeContent(w, r, "", img.UpdatedAt, f)
	return nil
}

// rangeOf takes a range from the header Content-Range, which some clients send
// in place of Range: "bytes 0-99/*".
func rangeOf(r *http.Request) error {
	text := r.Header.Get("Content-Range")
	if text == "" || r.Header.Get("Range") != "" {
		return nil
	}
	var first, last int64
	span, _, _ := strings.Cut(text, "/")
	if n, err := fmt.Sscanf(span, "bytes %d-%d", &first, &last); n != 2 || err != nil || first < 0 || last < first {
		return cloud.Errorf(cloud.KindRange, "The Content-Range %.64q is not allowed; allowed: bytes FIRST-LAST/*.", text)
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, last))
	return nil
}
