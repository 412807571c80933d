package image

import (
	"context"
	"crypto/md5" // Glance's checksum; sha512 is what is relied on
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/controller/image/convert"
	"github.com/cairn-cloud/cairn/controller/image/format"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// converts tells whether an import makes another format of an image: where the
// configuration wants one, and of disks that are not in an archive.
func (s *Service) converts(img *Image) bool {
	return s.wanted != "" && img.ContainerFormat != nil && *img.ContainerFormat == "bare" && declared(img) != s.wanted && convert.Knows(declared(img))
}

// inWantedFormat makes of the data of an image that of the format that all are
// wanted in. The next try finds what it made.
func (s *Service) inWantedFormat(ctx context.Context, img *Image, d *Data, p *progress) (*Data, error) {
	if !s.converts(img) || d.DiskFormat == s.wanted {
		return d, nil
	}
	if s.converter == nil {
		return nil, cloud.Unavailable("Images cannot be converted to %s here; the log of the controller says why.", s.wanted)
	}
	if s.wanted == "raw" && d.VirtualSize > s.maxSize {
		return nil, cloud.Errorf(cloud.KindTooLarge, "The image's disk has %d bytes, as raw data larger than the limit of %d bytes.", d.VirtualSize, s.maxSize)
	}
	from, err := s.files.path(img.ID, d.Place)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.files.dir, img.ID+".part")
	if err != nil {
		return nil, err
	}
	result := filepath.Join(dir, "disk")
	what := fmt.Sprintf("Converted from %s to %s:", declared(img), s.wanted)
	err = s.converter.Run(ctx, convert.Job{
		From: from, Format: declared(img), To: result, Wanted: s.wanted, MaxSize: s.maxSize,
		Progress: func(percent float64) { p.at(ctx, what, int64(percent/100*float64(d.VirtualSize)), d.VirtualSize) },
	})
	var made *Data
	if err == nil {
		made, err = s.takeConverted(ctx, img, result, p)
	}
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return nil, err
	}
	return made, s.replaceStaged(ctx, img, d, made)
}

// takeConverted looks at a result as at an upload, makes its sums and puts it
// in its place.
func (s *Service) takeConverted(ctx context.Context, img *Image, path string, p *progress) (d *Data, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	d = &Data{ImageID: img.ID, Size: info.Size(), Place: placeConverted, DiskFormat: s.wanted}
	if d.VirtualSize, err = inspect(s.wanted, f, d.Size); err != nil {
		return nil, err
	}
	sums := digests{md5.New(), sha512.New()} // see above
	from := &download{r: f, tell: func(n int64) { p.at(ctx, "Checked", n, d.Size) }}
	if _, err := io.CopyBuffer(sums, struct{ io.Reader }{from}, make([]byte, 1<<20)); err != nil {
		return nil, err
	}
	d.Checksum, d.HashValue = hex.EncodeToString(sums.md5.Sum(nil)), hex.EncodeToString(sums.sha512.Sum(nil))
	if err := f.Sync(); err != nil {
		return nil, err
	}
	to, err := s.files.path(img.ID, placeConverted)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(path, to); err != nil {
		return nil, err
	}
	return d, s.files.sync()
}

// inspect looks at a whole file as an upload's head and rest are looked at. It
// gives the size of the disk.
func inspect(kind string, f io.ReaderAt, size int64) (int64, error) {
	head := make([]byte, min(size, format.HeadSize))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	virtual, err := format.Check(kind, head)
	if err != nil {
		return 0, err
	}
	rest, err := format.Inspect(kind, f, size)
	if virtual = max(virtual, rest); virtual == 0 {
		virtual = size
	}
	return virtual, err
}

// replaceStaged notes that the result of a conversion is what waits now.
func (s *Service) replaceStaged(ctx context.Context, img *Image, old, made *Data) error {
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		now, err := s.images.In(tx).Lock(ctx, img.ID)
		if cloud.IsNotFound(err) {
			return deletedMeanwhile(img.ID)
		}
		if err != nil {
			return err
		}
		if err := s.claim(ctx, tx, now.Owner, quotaStage, mebibytes(made.Size)-mebibytes(old.Size)); err != nil {
			return err
		}
		return s.staged.In(tx).Update(ctx, made)
	})
	if err != nil {
		return errors.Join(err, s.files.removePlace(img.ID, made.Place))
	}
	return s.files.removePlace(img.ID, old.Place)
}
