package image

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" // Glance's checksum; sha512 is what is relied on
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"mime"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/cairn-cloud/cairn/controller/image/format"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// upload answers PUT /images/{id}/file.
func (s *Service) upload(ctx context.Context, c *api.Call, img *Image) (any, error) {
	to, err := s.mayReceive(c, img)
	if err != nil {
		return nil, err
	}
	may, err := s.allowanceFor(ctx, img.Owner, quotaSize)
	if err == nil {
		err = may.admits(c.Request().ContentLength)
	}
	if err != nil {
		return nil, err
	}
	if err := s.begin(ctx, img, statusSaving); err != nil {
		return nil, err
	}
	d, err := s.receive(img, uploaded(c), placeStaged, may)
	if err == nil {
		err = s.keep(ctx, img.ID, d, to)
	}
	if err != nil {
		return nil, errors.Join(err, s.requeue(ctx, img.ID, statusSaving), s.files.remove(img.ID))
	}
	return nil, c.Empty(http.StatusNoContent)
}

// keep puts what was received into a store and makes the image active. The
// received file is no longer needed then, or never was: it goes.
func (s *Service) keep(ctx context.Context, id string, d *Data, to string) error {
	path, err := s.files.path(id, d.Place)
	if err != nil {
		return err
	}
	if err := s.stores.put(ctx, to, id, path, nil); err != nil {
		return err
	}
	return errors.Join(s.activate(ctx, id, d, to), s.files.remove(id))
}

// mayReceive sees that the image is ready for data, and the data for it. It
// gives the store that the data is meant for.
func (s *Service) mayReceive(c *api.Call, img *Image) (to string, err error) {
	kind, _, err := mime.ParseMediaType(c.Request().Header.Get("Content-Type"))
	to = cmp.Or(c.Request().Header.Get("X-Image-Meta-Store"), s.stores.first())
	switch {
	case err != nil || kind != "application/octet-stream":
		return "", cloud.Errorf(cloud.KindUnsupportedMedia, "The Content-Type must be application/octet-stream.")
	case !s.stores.has(to):
		return "", cloud.BadRequest("The store %.64q is unknown; allowed: %s.", to, s.stores)
	case img.Format() == "":
		return "", cloud.BadRequest("disk_format and container_format must be set before data is uploaded.")
	default:
		return to, nil
	}
}

// begin takes a queued image for one upload.
func (s *Service) begin(ctx context.Context, img *Image, status string) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		if err := s.claim(ctx, tx, img.Owner, quotaUploading, 1); err != nil {
			return err
		}
		n, err := s.images.In(tx).Change(ctx, store.Set{"status": status, "holder": s.holder}, store.Eq("id", img.ID), store.Eq("status", statusQueued))
		if err == nil && n == 0 {
			return cloud.Conflict("Image %s is %s, so no data can be uploaded.", img.ID, img.Status)
		}
		return err
	})
}

func (s *Service) tooLarge() error {
	return cloud.Errorf(cloud.KindTooLarge, "The image is larger than the limit of %d bytes.", s.maxSize)
}

// requeue gives up an upload, whether the client still waits or not.
func (s *Service) requeue(ctx context.Context, id, from string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := s.images.Change(ctx, store.Set{"status": statusQueued, "holder": nil}, store.Eq("id", id), store.Eq("status", from))
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
	Place       place  `db:"place"`         // where it waits for its import
	DiskFormat  string `db:"disk_format"`   // that it was converted to; empty: the image's
}

// receive reads the data into a file. It is there when it is safe and is what
// the image says that it is.
func (s *Service) receive(img *Image, from source, to place, may allowance) (*Data, error) {
	head := make([]byte, format.HeadSize)
	n, err := io.ReadFull(from, head)
	if failed := from.failure(); failed != nil {
		return nil, failed
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	d := &Data{ImageID: img.ID, Place: to}
	if d.VirtualSize, err = format.Check(declared(img), head[:n]); err != nil {
		from.drain()
		return nil, err
	}
	sums := digests{md5.New(), sha512.New()} // see above
	data := io.LimitReader(io.MultiReader(bytes.NewReader(head[:n]), from), may.bytes+1)
	err = s.files.put(img.ID, to, io.TeeReader(data, sums), func(file io.ReaderAt, size int64) error {
		if size > may.bytes {
			return may.over
		}
		virtual, err := format.Inspect(declared(img), file, size)
		d.Size = size
		d.VirtualSize = cmp.Or(d.VirtualSize, virtual, size)
		return err
	})
	d.Checksum, d.HashValue = hex.EncodeToString(sums.md5.Sum(nil)), hex.EncodeToString(sums.sha512.Sum(nil))
	return d, cmp.Or(from.failure(), noSpace(err))
}

// noSpace says it as Glance does when the disk is full.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return cloud.Errorf(cloud.KindTooLarge, "Image storage media is full: there is not enough disk space on the image storage media.").Because(err)
	}
	return err
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
func (d *Data) set(now time.Time, stores []string) store.Set {
	set := store.Set{
		"status": statusActive, "size": d.Size, "virtual_size": d.VirtualSize, "updated_at": now, "checksum": d.Checksum,
		"os_hash_algo": "sha512", "os_hash_value": d.HashValue, "stores": storesText(stores), "holder": nil,
	}
	if d.DiskFormat != "" {
		set["disk_format"] = d.DiskFormat
	}
	return set
}

// activate makes an image active whose data is in a store; if it was deleted
// meanwhile, the data goes too.
func (s *Service) activate(ctx context.Context, id string, d *Data, to string) error {
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
		_, err = s.images.In(tx).Change(ctx, d.set(s.clock(), []string{to}), store.Eq("id", id))
		return err
	})
	if err != nil {
		return errors.Join(err, s.stores.remove(ctx, id, []string{to}))
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
